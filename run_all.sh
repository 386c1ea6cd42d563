#!/usr/bin/env bash
# Set up what is missing, then run the notebooks at a scale.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./run_all.sh [--scale pocket|rehearsal|paper] [--only NN]... [--force] [--seed N]
                    [--kernels NAME] [--threads N] [--dask ADDRESS] [--html] [--record]

  --scale   pocket (default): tiny models on drawn data, offline, 2 CPU cores
            rehearsal: the published architectures with random weights on generated files, offline
            paper: the published checkpoints and data sets, on a GPU; says what is missing
  --only    a notebook's number or name, as in --only 01 --only 10_results
  --force   run even what has not changed since its last good run
  --seed    the seed given to every notebook (default 0)
  --kernels avx2 (default at pocket scale, with two threads, so that another processor gives the same bits),
            compatible, or native (default elsewhere): whatever this processor offers; KT_KERNELS=NAME does the same
  --threads how many; 2 with pinned kernels, else as torch chooses
  --dask    the address of a Dask scheduler whose workers do the computing (scripts/slurm.sh starts one on
            SLURM); KTLIB_DASK=ADDRESS does the same
  --html    make pages of the executed notebooks afterwards, to be read offline
  --record  for maintainers: after a whole, good run put its results in the place of the committed ones

Everything goes to runs/<scale>/: executed notebooks, logs, results/, figures/, RESULTS.md, and a certificate that
compares them with the committed results. Nothing that is committed changes, save with --record.
Exit status: 0 all well, 1 a notebook failed, 2 nothing could be started.
TEXT
}

# shellcheck source=scripts/env.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/scripts/env.sh"
cd -- "$KT_ROOT"
kt_start ktlib.companion.run_all "$@"
