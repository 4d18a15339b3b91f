"""Builds the appliance: base system, playbook, disk, VMDK, OVF, OVA. Needs root; nothing is mounted on the host, no loop device is used."""
