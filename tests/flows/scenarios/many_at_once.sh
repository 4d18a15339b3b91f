# Fifty applications at once in small partitions of two GPUs: all get their turn, none is lost, nothing stays.
. "$(dirname "$0")/lib.sh"

pids=
for number in $(seq 50); do
    bitfusion run -n 1 -p 0.08 -- sh -c "echo $number" >"$WORK/$number" 2>"$WORK/$number.log" &
    pids="$pids $!"
done
for pid in $pids; do
    expect "application $pid ends well" wait "$pid"
done
expect "each has run once" [ "$(cat $(seq -f "$WORK/%g" 50) | sort -n | uniq | wc -l)" = 50 ]
expect "nothing is held any more" [ "$(leases)" = 0 ]
