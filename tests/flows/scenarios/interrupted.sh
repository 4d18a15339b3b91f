# ctrl-C, SIGTERM and kill -9 at each stage of a run: what is asked for is cancelled, what is held is given back.
. "$(dirname "$0")/lib.sh"

# A shell without job control has its background jobs ignore ctrl-C; env gives the key its meaning back.
held() { [ "$(leases)" = "$1" ]; }
ends_with() { # EXIT_CODE PID
    code=0
    wait "$2" || code=$?
    [ "$code" = "$1" ]
}

# While waiting: somebody else has all the GPUs.
bitfusion request_gpus -n 2 2>/dev/null
env --default-signal=INT bitfusion run -n 1 -- touch "$WORK/never" 2>"$WORK/waiting.log" &
waiting=$!
expect "it is in the queue" eventually grep -q 'Choosing GPUs' "$WORK/waiting.log"
kill -INT $waiting
expect "ctrl-C while waiting cancels, with the code for it" ends_with 130 $waiting
expect "the message says so" grep -q 'cancelled by SIGINT' "$WORK/waiting.log"
bitfusion release_gpus 2>/dev/null
expect "the application has never started" [ ! -e "$WORK/never" ]
expect "nothing is held" eventually held 0

# While the application runs: the key is the application's, here it asks for nothing special.
env --default-signal=INT bitfusion run -n 1 -- sh -c "touch '$WORK/running'; exec sleep 600" 2>/dev/null &
running=$!
expect "the application runs" eventually test -e "$WORK/running"
kill -INT $running
expect "ctrl-C ends the application" ends_with 130 $running
expect "its GPUs are back" eventually held 0

# The application takes its time and decides for itself.
env --default-signal=INT bitfusion run -n 1 -- sh -c "trap 'exit 9' TERM; touch '$WORK/careful'; while :; do sleep 0.1; done" 2>/dev/null &
careful=$!
expect "a careful application runs" eventually test -e "$WORK/careful"
kill -TERM $careful
expect "SIGTERM reaches it, and its exit code comes back" ends_with 9 $careful
expect "its GPUs are back" eventually held 0

# kill -9 leaves bitfusion no last word: the application goes with it, the server notices.
env --default-signal=INT bitfusion run -n 1 -- sh -c "echo \$\$ >'$WORK/pid'; exec sleep 600" 2>/dev/null &
killed=$!
expect "another application runs" eventually test -s "$WORK/pid"
kill -KILL $killed
expect "kill -9 ends bitfusion" ends_with 137 $killed
expect "the application is gone too" eventually sh -c "! kill -0 \$(cat '$WORK/pid') 2>/dev/null"
expect "its GPUs are back" eventually held 0
