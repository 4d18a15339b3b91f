#!/bin/sh
# Only a purge takes tokens and lists of servers away. The group stays, as files of its members may.
set -e

if [ "$1" = purge ]; then
    rm -rf /etc/bitfusion
fi
