#!/bin/sh
# Only a purge takes the store, keys and settings away. The user stays, as files of its may.
set -e

if [ "$1" = purge ]; then
    rm -rf /var/lib/bitfusion /run/bitfusion
    rm -f /etc/bitfusion/bitfusion-manager.yaml /etc/bitfusion/vcenter.yaml
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
