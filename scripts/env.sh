# Sourced by run_all.sh, run_tests.sh and explore.sh. Sets KT_ROOT, and KT_PYTHON: a Python 3.11 that holds exactly what
# requirements.lock lists. That is the active environment if it does, else .venv, made or completed here.
# Both checks take a fraction of a second; the lock is installed only when something is missing.

# A script that defines `usage` has it printed on -h or --help, before anything is installed.
if declare -F usage >/dev/null; then
  for kt_argument in "$@"; do
    case $kt_argument in
      -h | --help) usage && exit 0 ;;
    esac
  done
fi

KT_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$KT_ROOT${PYTHONPATH:+:$PYTHONPATH}" # this checkout's ktlib, whichever is installed

# kt_satisfies PYTHON: true if it is a 3.11 with every pin of the lock and no interrupted install.
# The stamp (the lock's sha256) in the environment's folder says that an install was finished.
kt_satisfies() {
  [ -x "$1" ] && "$1" -I - "$KT_ROOT/requirements.lock" <<'PYTHON'
import hashlib
import pathlib
import sys
from importlib import metadata

if sys.version_info[:2] != (3, 11):
    sys.exit(1)
lock, prefix = pathlib.Path(sys.argv[1]), pathlib.Path(sys.prefix)
if (prefix / ".ktlib-installing").exists():
    sys.exit(1)
for line in lock.read_text().splitlines():
    pin, _, marker = line.partition("#")[0].partition(";")
    if not pin.strip() or ("linux" in marker and sys.platform != "linux"):
        continue
    name, _, version = pin.strip().partition("==")
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        sys.exit(1)
    if version not in (installed, installed.partition("+")[0]):  # 2.14.1+cpu is a build of 2.14.1
        sys.exit(1)
stamp, digest = prefix / ".ktlib-lock", hashlib.sha256(lock.read_bytes()).hexdigest()
try:
    if not stamp.exists() or stamp.read_text() != digest:
        stamp.write_text(digest)
except OSError:
    pass  # an environment that is not ours to write to
PYTHON
}

# kt_find_python: print a Python 3.11 from PATH.
kt_find_python() {
  local name
  for name in python3.11 python3 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "expected Python 3.11 on PATH as python3.11, python3 or python; found none." >&2
  echo "Get it from python.org, your package manager (python3.11 and python3.11-venv), pyenv or uv," >&2
  echo "or make the environment with conda: conda env create -f environment.yml && conda activate ktlib" >&2
  return 1
}

# kt_pip VENV ARGUMENTS...: install; on a terminal with pip's own bars, else with a line a minute.
kt_pip() {
  local venv=$1 ticker status=0
  shift
  if [ -t 2 ]; then
    "$venv/bin/python" -m pip install --disable-pip-version-check "$@" >&2
    return
  fi
  (
    seconds=0
    while sleep 2 && kill -0 "$$" 2>/dev/null; do # not longer than the script that waits for pip
      seconds=$((seconds + 2))
      if [ $((seconds % 60)) -eq 0 ]; then
        echo "installing: $((seconds / 60)) min, $(du -sh "$venv" 2>/dev/null | cut -f1) in .venv" >&2
      fi
    done
  ) &
  ticker=$!
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  return "$status"
}

# kt_install: make .venv, or complete it; a mark is left while installing, so that an interrupted one is redone.
kt_install() {
  local venv="$KT_ROOT/.venv" base
  if [ -e "$venv/.ktlib-installing" ] ||
    ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    base=$(kt_find_python) || return 1
    "$base" -m venv --clear "$venv" || return 1
  fi
  touch "$venv/.ktlib-installing" || return 1
  echo "Installing requirements.lock into .venv: several GB will be fetched, once." >&2
  kt_pip "$venv" -r "$KT_ROOT/requirements.lock" || return 1
  # setuptools is in the lock, so the build needs nothing more
  kt_pip "$venv" --quiet --no-deps --no-build-isolation -e "$KT_ROOT" || return 1
  rm "$venv/.ktlib-installing"
}

# kt_start MODULE ARGUMENTS...: become Python. Loading takes seconds: until the module says otherwise, Ctrl-C just ends it.
kt_start() {
  exec "$KT_PYTHON" -c 'import runpy, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)' "$@"
}

kt_active=
if [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then
  kt_active=$(command -v python || true)
fi
if [ -n "$kt_active" ] && kt_satisfies "$kt_active"; then
  KT_PYTHON=$kt_active
else
  KT_PYTHON="$KT_ROOT/.venv/bin/python"
  if ! kt_satisfies "$KT_PYTHON"; then
    if [ -n "$kt_active" ]; then
      echo "The active environment does not hold requirements.lock; using .venv instead." >&2
    fi
    kt_install || { echo "The environment is not complete; run this again to redo the install." >&2; exit 1; }
    kt_satisfies "$KT_PYTHON" || { echo "pip finished, but .venv does not hold what requirements.lock lists." >&2; exit 1; }
  fi
fi
