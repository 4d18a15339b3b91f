"""The agent that sets the appliance up from its vApp properties, at every boot.

Everything it writes lies below one root directory, and everything it starts goes through one runner, so that tests can watch both.
"""
