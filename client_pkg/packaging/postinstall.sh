#!/bin/sh
# deb calls it with "configure" (also for an upgrade) or "abort-*", rpm with 1 (install) or 2 (upgrade).
set -e

case "$1" in
    configure | 1 | 2) ;;
    *) exit 0 ;;
esac

getent group bitfusion >/dev/null || groupadd --system bitfusion

# Users cannot write byte code there; without it every command would compile the modules anew.
python3 -I -S -m compileall -q /usr/lib/bitfusion/python || echo "bitfusion-client: could not compile its modules; commands start slower" >&2
