#!/bin/sh
# deb calls it with "configure" and the version before, if any, or "abort-*"; rpm with 1 (install) or 2 (upgrade).
set -e

case "$1" in
    configure) before=$2 ;;
    1) before= ;;
    2) before=some ;;
    *) exit 0 ;;
esac

systemd-sysusers bitfusion.conf
systemd-tmpfiles --create bitfusion.conf || echo "bitfusion-server: its folders are made at the next boot" >&2

# The services may not write byte code; without it each of their processes would compile its modules anew.
/usr/lib/bitfusion/venv/bin/python -I -m compileall -q -x '^/usr/lib/bitfusion/python/' /usr/lib/bitfusion \
    || echo "bitfusion-server: could not compile its modules; it starts slower" >&2

running=
[ ! -d /run/systemd/system ] || running=yes
[ -z "$running" ] || systemctl daemon-reload
if [ -z "$before" ]; then
    systemctl enable bitfusion-dispatcher.service bitfusion-manager.service
elif [ -n "$running" ]; then
    # The dispatcher goes on as it is: the workers of running applications end with it.
    systemctl try-restart bitfusion-manager.service
fi
