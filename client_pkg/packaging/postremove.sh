#!/bin/sh
# Only a purge takes tokens and lists of servers away. The group stays, as files of its members may, and what a server keeps there.
set -e

if [ "$1" = purge ]; then
    rm -rf /etc/bitfusion/tls
    rm -f /etc/bitfusion/client.y*ml* /etc/bitfusion/servers.conf* /etc/bitfusion/bitfusion.yaml
    rmdir --ignore-fail-on-non-empty /etc/bitfusion 2>/dev/null || true
fi
