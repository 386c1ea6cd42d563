"""Where a number comes from: commit, machine and versions, the same for rows, figures and runs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

import torch

from ktlib.companion.record import kernels
from ktlib.places import ROOT

CODE = ("ktlib", "notebooks", "data_manifests", "requirements.lock")  # what a number depends on


def provenance(root: Path = ROOT) -> dict[str, str]:
    """Date, commit, machine, kernels and versions of this process; its canary is computed once."""
    arithmetic = {"processor": processor(), "kernels": kernels.running(), "threads": str(torch.get_num_threads())}
    return origin(root) | arithmetic | {"canary": kernels.canary()}


def origin(root: Path = ROOT) -> dict[str, str]:
    """Date, commit, machine and versions: what is the same in all processes of a run."""
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else f"CPU, {os.cpu_count()} cores, {platform.machine()}"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(root),
        "device": device,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def commit(root: Path = ROOT) -> str:
    """The commit of the working tree, `+` behind it when the code differs from it; `unknown` outside git.

    Results are no code: a run that is recorded does not make the next one look altered.
    """
    head = _output("git", "-C", str(root), "rev-parse", "--short", "HEAD")
    return f"{head}{'+' if altered(root) else ''}" if head else "unknown"


def altered(root: Path = ROOT) -> list[str]:
    """Files of code, notebooks and manifests that differ from the commit or are not in it."""
    status = _output("git", "-C", str(root), "status", "--porcelain", "--", *(c for c in CODE if (root / c).exists()))
    return [line.strip().split(maxsplit=1)[1] for line in status.splitlines()]


def same_code(commit: str, root: Path = ROOT) -> bool:
    """Whether the code is that of a commit, changed neither since nor in the working tree; False where git cannot say.

    Args:
        commit: as `commit` writes it.
        root: of the repository.
    """
    if shutil.which("git") is None or commit.endswith("+") or altered(root):
        return False
    known = [one for one in CODE if (root / one).exists()]
    command = ["git", "-C", str(root), "diff", "--quiet", commit, "--", *known]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def processor() -> str:
    """The processor's name and the instructions that torch uses on it: sums are rounded differently on another."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    name = found.group(1) if found else _output("sysctl", "-n", "machdep.cpu.brand_string")
    return f"{name or platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _output(*command: str) -> str:
    """What a command prints; nothing where there is no such command or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip("\n") if done.returncode == 0 else ""
