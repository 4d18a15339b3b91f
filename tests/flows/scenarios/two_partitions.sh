# Two applications in partitions of one GPU at the same time, in the background.
. "$(dirname "$0")/lib.sh"

bitfusion run -n 1 -p 0.66 -- sh -c 'grep ^fraction "$BITFUSION_ALLOCATION"' >"$WORK/first" 2>"$WORK/first.log" &
first=$!
bitfusion run -n 1 -p 0.33 -- sh -c 'grep ^fraction "$BITFUSION_ALLOCATION"' >"$WORK/second" 2>"$WORK/second.log" &
second=$!

expect "the first ends well" wait "$first"
expect "the second ends well" wait "$second"
expect "the first has two thirds" [ "$(cat "$WORK/first")" = "fraction 0.66" ]
expect "the second has a third" [ "$(cat "$WORK/second")" = "fraction 0.33" ]
expect "both are gone" [ "$(leases)" = 0 ]
