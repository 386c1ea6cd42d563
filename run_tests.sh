#!/usr/bin/env bash
# Set up what is missing, then run the tests: the default tier, with --slow the slow tier as well.
# Everything else is passed to pytest.
set -euo pipefail

tier=()
arguments=()
for argument in "$@"; do
  case $argument in
    -h | --help) echo "Usage: ./run_tests.sh [--slow] [pytest arguments]" && exit 0 ;;
    --slow) tier=(-m "not gpu and not weights") ;;
    *) arguments+=("$argument") ;;
  esac
done

# shellcheck source=scripts/env.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/scripts/env.sh"
cd -- "$KT_ROOT"
export HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1} TRANSFORMERS_OFFLINE=${TRANSFORMERS_OFFLINE:-1}
exec "$KT_PYTHON" -m pytest ${tier[@]+"${tier[@]}"} ${arguments[@]+"${arguments[@]}"}
