#!/bin/bash
#SBATCH --job-name=ports
#SBATCH --array=1-8
#SBATCH --requeue
# Judges ports.toml in 8 tasks of a Slurm array. Submit it in the folder of ports.toml, which every
# node must see under the same path, and merge when all tasks have ended:
#
#     id=$(sbatch --parsable slurm.sh)
#     sbatch --dependency=afterok:"$id" --wrap "harness merge --report reports"
#
# To judge shard 3 again: sbatch --array=3 --export=ALL,HARNESS_RUN="$id" slurm.sh

count=8
index=$SLURM_ARRAY_TASK_ID
# A port that fails is a result, and merge exits with its status. A task fails only if it has no
# results. A task that Slurm requeues judges no port twice.
harness check ports.toml --shard "$index/$count" --report reports --resume --quiet ||
    test -f "shards/$index-of-$count.jsonl"
