#!/usr/bin/env bash
# An example: the paper scale on a SLURM cluster, one Dask worker a GPU, all started by one job that computes little.
#
#     sbatch scripts/slurm.sh                   # all notebooks
#     sbatch scripts/slurm.sh --only 04         # what ./run_all.sh takes
#
# Needs the optional group `slurm` of pyproject.toml beside requirements.lock (`./run_tests.sh` makes .venv):
#     .venv/bin/python -m pip install --constraint requirements.lock -e '.[slurm]'
# Change what stands between the lines to what your cluster is called; the folders must be seen by all nodes.
# A job that is killed loses nothing that was computed: submit it again.
# ------------------------------------------------------------------------------------------------------
#SBATCH --job-name=ktlib
#SBATCH --partition=gpu
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
#SBATCH --time=2-00:00:00
#SBATCH --output=slurm-%j.log
export KT_WORKERS=${KT_WORKERS:-8} KT_PARTITION=${KT_PARTITION:-gpu} KT_MEMORY=${KT_MEMORY:-32GB}
export KT_HOURS=${KT_HOURS:-24} KT_DATA=${KT_DATA:-$PWD/data} KT_CACHE=${KT_CACHE:-$PWD/cache}
# ------------------------------------------------------------------------------------------------------
set -euo pipefail

cd -- "${SLURM_SUBMIT_DIR:-$PWD}"
python=.venv/bin/python
if ! "$python" -c 'import dask_jobqueue'; then
  echo "expected dask-jobqueue in .venv, found it not installed; $python -m pip install --constraint requirements.lock -e '.[slurm]'" >&2
  exit 2
fi
address=$(mktemp "$PWD/.dask-address.XXXXXX")

# The scheduler lives here; its workers are jobs of their own, which SLURM starts and stops as it can.
PYTHONPATH=$PWD "$python" - "$address" <<'PYTHON' &
import os
import sys
import time

from dask_jobqueue import SLURMCluster

cluster = SLURMCluster(
    queue=os.environ["KT_PARTITION"],
    cores=1,  # threads: a model is not to be taught by two at once
    processes=1,
    memory=os.environ["KT_MEMORY"],
    walltime=f"{os.environ['KT_HOURS']}:00:00",
    job_extra_directives=["--gres=gpu:1"],
    job_script_prologue=[f"cd {os.getcwd()}", f"export PYTHONPATH={os.getcwd()}"]
    + [f"export {name}={os.environ[name]}" for name in ("KT_DATA", "KT_CACHE")],
    python=sys.executable,
)
cluster.scale(int(os.environ["KT_WORKERS"]))
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.write(cluster.scheduler_address)
while True:
    time.sleep(60)
PYTHON
scheduler=$!
trap 'kill "$scheduler" 2>/dev/null; rm -f "$address"' EXIT

until [ -s "$address" ]; do
  kill -0 "$scheduler" # or it has ended, and its error stands above
  sleep 2
done
export KTLIB_DASK_PATIENCE=${KTLIB_DASK_PATIENCE:-3600} # SLURM may let the first worker wait
./run_all.sh --scale paper --dask "$(cat "$address")" "$@"
