# GPUs for several applications one after the other: request_gpus, client, client, release_gpus.
. "$(dirname "$0")/lib.sh"

export_line=$(bitfusion request_gpus -n 1 -m 5461 --export 2>"$WORK/log")
expect "request_gpus says what was given" contains "$(cat "$WORK/log")" "Requested resources:"
expect "it prints a line for the shell" contains "$export_line" "export BITFUSION_ALLOCATION=/"
eval "$export_line"

expect "the first application has its memory" [ "$(bitfusion client -- sed -n 's/^memory_mib //p' "$BITFUSION_ALLOCATION")" = 5461 ]
expect "the quoted form works too" [ "$(bitfusion client "sed -n 's/^gpus //p' $BITFUSION_ALLOCATION")" = 1 ]
bitfusion client -- sh -c 'exit 9'
expect "the exit code is the application's" [ $? = 9 ]

expect "release_gpus with other options finds nothing" sh -c '! bitfusion release_gpus -f "$BITFUSION_ALLOCATION" -m 1000 2>/dev/null'
expect "release_gpus with the same options frees it" bitfusion release_gpus -f "$BITFUSION_ALLOCATION" -n 1 -m 5461
expect "nothing is held any more" [ "$(leases)" = 0 ]
expect "the file is gone" [ ! -e "$BITFUSION_ALLOCATION" ]
