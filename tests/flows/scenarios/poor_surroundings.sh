# No HOME, a home that cannot be written, no terminal, few open files, closed standard streams: the application runs all the same.
. "$(dirname "$0")/lib.sh"

expect "without HOME" env -u HOME bitfusion run -n 1 -- true
expect "with a home that cannot be written" env HOME=/proc bitfusion run -n 1 -- true
expect "without a terminal" setsid -w bitfusion run -n 1 -- sh -c '! tty -s'
expect "with few open files" sh -c 'ulimit -n 32; bitfusion run -n 1 -- true'
expect "with standard streams closed" sh -c 'bitfusion run -n 1 -- true <&- >&- 2>&-'
expect "with an empty environment but PATH" env -i PATH="$PATH" BITFUSION_HOME="$BITFUSION_HOME" bitfusion run -n 1 -- true
expect "nothing is held any more" [ "$(leases)" = 0 ]
