#!/bin/sh
# slurm.conf: Epilog=/etc/slurm/bitfusion/epilog.sh. Runs as root on the node when the job has ended, however it ended.
file=${BITFUSION_SLURM_FOLDER:-/run/bitfusion-slurm}/$SLURM_JOB_ID
[ -e "$file" ] || exit 0
eval "$(cat "$file")"
runuser -u "$SLURM_JOB_USER" -- bitfusion release_gpus -f "$BITFUSION_ALLOCATION"
rm -f "$file"
