#!/bin/sh
# slurm.conf: Prolog=/etc/slurm/bitfusion/prolog.sh. Runs as root on the node before the job, and reserves what the job has asked for
# with --gres=bfgpu:N. A node on which this fails is drained by Slurm, so a pool that is full must not look like a broken node.
set -eu

count=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/.*gres[:/]bfgpu[:=]\([0-9][0-9]*\).*/\1/p' | head -n 1)
[ -n "$count" ] || exit 0

folder=${BITFUSION_SLURM_FOLDER:-/run/bitfusion-slurm}
mkdir -p -m 0755 "$folder"
if ! runuser -u "$SLURM_JOB_USER" -- bitfusion request_gpus -n "$count" -t "${BITFUSION_SLURM_TIMEOUT:-5m}" --export >"$folder/$SLURM_JOB_ID.new"; then
    rm -f "$folder/$SLURM_JOB_ID.new"
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
fi
mv "$folder/$SLURM_JOB_ID.new" "$folder/$SLURM_JOB_ID"
