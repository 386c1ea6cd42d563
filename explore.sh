#!/usr/bin/env bash
# Set up what is missing, then open JupyterLab on a working copy of the notebooks.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./explore.sh [--fresh] [arguments of jupyter lab]

Opens a copy of the notebooks in explore/, which git ignores: run and change them as you like. What they compute goes
to runs/scratch/<scale>/. Copies that you have edited are kept the next time, others follow their originals.

Kernels and threads are those of ./run_all.sh at pocket scale; KT_KERNELS=native ./explore.sh leaves them free.

  --fresh   start anew; your copies are kept in explore/before-<time>/
TEXT
}

# shellcheck source=scripts/env.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/scripts/env.sh"
cd -- "$KT_ROOT"
kt_start ktlib lab "$@"
