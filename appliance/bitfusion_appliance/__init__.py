"""The server appliance: building its image, and the agent that sets it up at every boot."""
