#!/bin/sh
# deb calls it with "remove" or "upgrade", rpm with 0 (erase) or 1 (upgrade, when the new package's byte code is there already).
set -e

case "$1" in
    remove | 0)
        [ ! -d /run/systemd/system ] || systemctl stop bitfusion-manager.service bitfusion-dispatcher.service
        systemctl disable bitfusion-manager.service bitfusion-dispatcher.service
        ;;
esac

case "$1" in
    remove | upgrade | deconfigure | 0)
        # The client's byte code is the client package's.
        find /usr/lib/bitfusion -path /usr/lib/bitfusion/python -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
        ;;
esac
