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

KT_ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# Only this checkout's ktlib and the environment's packages: others would stand in for those of the lock.
if [ -n "${PYTHONPATH:-}" ] && [ "${PYTHONPATH%:}" != "$KT_ROOT" ]; then
  echo "PYTHONPATH is left out, for what lies there could stand in for what requirements.lock lists: $PYTHONPATH" >&2
fi
export PYTHONPATH="$KT_ROOT" PYTHONNOUSERSITE=1 PYTHONUTF8=1
unset PYTHONHOME

# The scripts go to the repository: until then a relative path counts from where they were called.
for kt_variable in KT_DATA KT_CACHE KT_RUNS HF_HOME TORCH_HOME; do
  case ${!kt_variable:-} in
    '' | /* | '~'*) ;;
    *) export "$kt_variable=$PWD/${!kt_variable}" ;;
  esac
done

# kt_satisfies PYTHON: true if it is a 3.11 with every pin of the lock, files and all, and no interrupted install.
# The stamp (the lock's sha256) in the environment's folder says that an install was finished. Prints what is
# installed but has lost its files.
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
lacking, broken = False, []
for line in lock.read_text(encoding="utf-8").splitlines():
    pin, _, marker = line.partition("#")[0].partition(";")
    if not pin.strip() or ("linux" in marker and sys.platform != "linux"):
        continue
    name, _, version = pin.strip().partition("==")
    try:
        package = metadata.distribution(name)
        installed = package.version or ""  # nothing, or an error, where its metadata are damaged
    except (metadata.PackageNotFoundError, AttributeError, KeyError, TypeError):
        lacking = True
        continue
    if version not in (installed, installed.partition("+")[0]):  # 2.14.1+cpu is a build of 2.14.1
        lacking = True
        continue
    files = [entry.rsplit(",", 2)[0].strip('"') for entry in (package.read_text("RECORD") or "").splitlines()]
    modules = [file for file in files if file.endswith(".py") and file.count("/") < 2]
    if not all(package.locate_file(module).exists() for module in modules):  # a folder may go, its metadata stay
        broken.append(pin.strip())
if lacking or broken:
    print(*broken, sep="\n")
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

# kt_is_311 PYTHON: true if it is there, and of the right version.
kt_is_311() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

# kt_install PACKAGES...: make .venv, or complete it and put these packages there again; a mark is left while
# installing, so that an interrupted one is redone. File descriptor 9 holds a lock for as long as this, or pip, runs:
# two installs at once would break each other.
kt_install() {
  local venv="$KT_ROOT/.venv" base
  if [ -L "$venv" ] || { [ -e "$venv" ] && [ ! -d "$venv" ]; }; then
    echo "expected .venv to be a folder, or not to be there; found a link or a file: $venv. Remove it." >&2
    return 1
  fi
  base="$venv/bin/python"
  kt_is_311 "$base" || base=$(kt_find_python) || return 1
  if ! { exec 9>>"$KT_ROOT/.venv.lock"; } 2>/dev/null; then
    echo "expected to write .venv in $KT_ROOT, found that it is not ours to write to." >&2
    echo "Activate an environment that holds requirements.lock, or copy the repository." >&2
    return 1
  fi
  "$base" -I -c "$KT_LOCK" "$KT_ROOT/.venv.lock" || return 1
  kt_satisfies "$venv/bin/python" >/dev/null && return # another one has just finished
  if [ -e "$venv/.ktlib-installing" ] || ! kt_is_311 "$venv/bin/python"; then
    base=$(kt_find_python) || return 1
    # the mark first: an interrupted making of the environment is an interrupted install
    { rm -rf "$venv" && mkdir "$venv" && touch "$venv/.ktlib-installing" && "$base" -m venv "$venv"; } || return 1
  fi
  touch "$venv/.ktlib-installing" || return 1
  echo "Installing requirements.lock into .venv: several GB will be fetched, once." >&2
  # setuptools is in the lock, so the build needs nothing more
  if { [ $# -gt 0 ] && ! kt_pip "$venv" --no-deps --force-reinstall "$@"; } ||
    ! kt_pip "$venv" -r "$KT_ROOT/requirements.lock" ||
    ! kt_pip "$venv" --quiet --no-deps --no-build-isolation -e "$KT_ROOT"; then
    echo "The environment is not complete; run this again to redo the install." >&2
    return 1
  fi
  rm "$venv/.ktlib-installing"
}

# Lock the file that is open as descriptor 9, for this script and all that it starts; say who holds it already.
KT_LOCK='
import fcntl, os, sys, time
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    who = open(sys.argv[1]).read().strip() or "another process"
    sys.exit(f"expected no other install into .venv, found {who}; wait for it, or stop it")
since = time.strftime("%Y-%m-%d %H:%M:%S")
os.ftruncate(9, 0)
os.write(9, f"process {os.getppid()}, since {since}\n".encode())
'

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
if [ -n "$kt_active" ] && kt_satisfies "$kt_active" >/dev/null; then
  KT_PYTHON=$kt_active
else
  KT_PYTHON="$KT_ROOT/.venv/bin/python"
  if ! kt_broken=$(kt_satisfies "$KT_PYTHON"); then
    if [ -n "$kt_active" ]; then
      echo "The active environment does not hold requirements.lock; using .venv instead." >&2
    fi
    # shellcheck disable=SC2086 # one word a package
    kt_install $kt_broken || exit 2
    kt_satisfies "$KT_PYTHON" >/dev/null || {
      echo "pip finished, but .venv does not hold what requirements.lock lists; remove .venv and run this again." >&2
      exit 2
    }
    exec 9>&- # whoever comes next need not wait until the notebooks are done
  fi
fi
