#!/bin/sh
# deb calls it with "remove" or "upgrade", rpm with 0 (erase) or 1 (upgrade, when the new package's byte code is there already).
set -e

case "$1" in
    remove | upgrade | deconfigure | 0)
        find /usr/lib/bitfusion/python -type d -name __pycache__ -prune -exec rm -rf {} +
        ;;
esac
