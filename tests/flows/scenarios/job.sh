# A job of a batch system: one step reserves, others in other processes use the GPUs, the epilog gives them back, whatever the job did.
. "$(dirname "$0")/lib.sh"

cat >"$WORK/job" <<'END'
set -eu
eval "$(bitfusion request_gpus -n 2 -p 0.25 --export 2>/dev/null)"
echo "$BITFUSION_ALLOCATION" >"$WORK/allocation"
# Job steps: other processes, at the same time, with nothing but the variable.
bitfusion client -- sh -c 'sed -n "s/^gpus //p" "$BITFUSION_ALLOCATION"' >"$WORK/step1" &
step=$!
env -i PATH="$PATH" BITFUSION_HOME="$BITFUSION_HOME" BITFUSION_ALLOCATION="$BITFUSION_ALLOCATION" \
    bitfusion client "sed -n 's/^memory_mib //p' $BITFUSION_ALLOCATION" >"$WORK/step2"
wait $step
# What other tools start finds the GPUs by itself.
bitfusion client -- bash -c 'bitfusion client -- true'
exit 3
END
sh "$WORK/job"
expect "the job's exit code is its own" [ $? = 3 ]
expect "the first step has both GPUs" [ "$(cat "$WORK/step1")" = 2 ]
expect "the second has a quarter of each" [ "$(cat "$WORK/step2")" = 4096 ]
expect "the GPUs are the job's until somebody gives them back" [ "$(leases)" = 1 ]
expect "the epilog does" bitfusion release_gpus -f "$(cat "$WORK/allocation")"
expect "nothing is held any more" [ "$(leases)" = 0 ]
expect "a second epilog has nothing to do and says so" sh -c '! bitfusion release_gpus -f "$(cat "$WORK/allocation")" 2>/dev/null'
