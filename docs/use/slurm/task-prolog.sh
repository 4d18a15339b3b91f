#!/bin/sh
# slurm.conf: TaskProlog=/etc/slurm/bitfusion/task-prolog.sh. Slurm puts each "export NAME=value" that it prints into the task's environment.
file=${BITFUSION_SLURM_FOLDER:-/run/bitfusion-slurm}/$SLURM_JOB_ID
[ ! -e "$file" ] || cat "$file"
