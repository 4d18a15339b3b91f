"""Only members of the group `bitfusion` may use an installed client. Root is let in, and so is everybody where the group does not exist."""

from __future__ import annotations

import grp
import os

from bitfusion_client import identity
from bitfusion_client.errors import NotMember

GROUP = "bitfusion"
INSTALLED = "/usr/lib/bitfusion/python/"
_OPEN_TO_ALL = ("help", "version", "license")


def check(command: str) -> None:
    """Refuse a user who is not a member; does nothing in a source checkout."""
    if command in _OPEN_TO_ALL or not __file__.startswith(INSTALLED) or os.geteuid() == 0:
        return
    try:
        group = grp.getgrnam(GROUP)
    except KeyError:
        return  # A container: whoever built it decides who gets in.
    if group.gr_gid in (os.getegid(), *os.getgroups()):
        return
    user = identity.user_name()
    if user in group.gr_mem:
        raise NotMember(
            f"user {user} was made a member of the group {GROUP} after this login", hint="Log in again, or run: newgrp bitfusion"
        )
    raise NotMember(
        f"user {user} is not a member of the group {GROUP}",
        hint=f"Ask the administrator for 'usermod -aG {GROUP} {user}', then log in again.",
    )
