"""Who may use an installed client."""

from __future__ import annotations

import grp
import os

import pytest

from bitfusion_client import identity, membership
from bitfusion_client.errors import NotMember


@pytest.fixture
def member(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An installed client, and a user 1000 who is in no group that matters."""
    monkeypatch.setattr(membership, "INSTALLED", "/")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [1000])
    monkeypatch.setattr(identity, "user_name", lambda: "ada")
    monkeypatch.setattr(grp, "getgrnam", lambda _: grp.struct_group(("bitfusion", "x", 990, [])))
    return monkeypatch


def test_stranger(member: pytest.MonkeyPatch) -> None:
    """A user outside the group is refused and told how to get in; help and version are for everybody."""
    with pytest.raises(NotMember) as refused:
        membership.check("run")
    assert (refused.value.exit_code, "usermod -aG bitfusion ada" in refused.value.advice) == (11, True)
    membership.check("help")


def test_members_and_root(member: pytest.MonkeyPatch) -> None:
    """Primary or supplementary group, or root."""
    member.setattr(os, "getgroups", lambda: [1000, 990])
    membership.check("run")
    member.setattr(os, "getgroups", list)
    member.setattr(os, "getegid", lambda: 990)
    membership.check("run")
    member.setattr(os, "getegid", lambda: 0)
    member.setattr(os, "geteuid", lambda: 0)
    membership.check("run")


def test_login_before_the_membership(member: pytest.MonkeyPatch) -> None:
    """A member whose login is older is told to log in again."""
    member.setattr(grp, "getgrnam", lambda _: grp.struct_group(("bitfusion", "x", 990, ["ada"])))

    with pytest.raises(NotMember) as refused:
        membership.check("run")
    assert "Log in again" in refused.value.advice


def test_container_without_the_group(member: pytest.MonkeyPatch) -> None:
    """Where the group does not exist nobody is kept out."""

    def missing(_: str) -> grp.struct_group:
        raise KeyError

    member.setattr(grp, "getgrnam", missing)
    membership.check("run")


def test_source_checkout(member: pytest.MonkeyPatch) -> None:
    """Only installed packages ask."""
    member.undo()
    membership.check("run")
