"""Host keys of ssh: the image has none, every machine makes its own."""

from __future__ import annotations

from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage


def apply(boot: Boot) -> str:
    """Make those that are missing; a key that an interruption left empty is missing too."""
    for key in boot.host.path("/etc/ssh").glob("ssh_host_*_key"):
        if key.stat().st_size == 0:
            key.unlink()
    boot.host.run(("ssh-keygen", "-A", "-f", str(boot.host.root)))
    return "there"


MODULE = Module("ssh-keys", Stage.LOCAL, Frequency.EVERY_BOOT, (), apply)
