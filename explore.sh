#!/usr/bin/env bash
# Set up what is missing, then open JupyterLab on a working copy of the notebooks.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./explore.sh [--fresh] [arguments of jupyter lab]

Opens a copy of the notebooks in explore/, which git ignores: run and change them as you like. What they compute goes
to runs/scratch/<scale>/. Copies that you have edited are kept the next time, others follow their originals.

  --fresh   start anew; your copies are kept in explore/before-<time>/
TEXT
}

for argument in "$@"; do
  case $argument in
    -h | --help) usage && exit 0 ;;
  esac
done

# shellcheck source=scripts/env.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/scripts/env.sh"
cd -- "$KT_ROOT"
exec "$KT_PYTHON" -m ktlib lab "$@"
