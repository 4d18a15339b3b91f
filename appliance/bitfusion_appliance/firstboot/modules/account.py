"""The `customer` account: its password is set when the property changes, so one that the customer has changed stays."""

from __future__ import annotations

from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.properties import HOST

NAME = "customer"
_KEY = HOST + "customer_password"


def apply(boot: Boot) -> str:
    """Set the password, or lock the account when there is none."""
    password = boot.values.get(_KEY)
    if password is None:
        boot.host.run(("usermod", "--lock", NAME))
        return f"{NAME} cannot log in, because no password is given"
    boot.host.run(("chpasswd",), stdin=f"{NAME}:{password}\n")
    return f"{NAME} can log in"


MODULE = Module("account", Stage.LOCAL, Frequency.ON_CHANGE, (_KEY,), apply)
