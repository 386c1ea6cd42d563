"""Where things lie: the repository, what is shipped in it, and the folders that variables may move.

The only module that asks the environment for a folder.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
MANIFESTS = ROOT / "data_manifests"
WEIGHTS = ROOT / "ktlib" / "pocket" / "weights"


def folder(variable: str, default: Path) -> Path:
    """The folder that an environment variable names, or the default where it is unset or empty.

    Args:
        variable: its name, `KT_DATA`; `~` is expanded, a relative path counts from the working directory.
        default: where the variable says nothing.

    Raises:
        ValueError: it begins with a `~` that stands for nobody's home, or a file stands there.
    """
    named = os.environ.get(variable)
    try:
        found = Path(named).expanduser().absolute() if named else default
    except RuntimeError as error:
        raise ValueError(
            f"expected a folder in {variable}, found {named!r}, which names a home that is not known; write it out"
        ) from error
    if named and found.exists() and not found.is_dir():
        raise ValueError(f"expected a folder in {variable}, found the file {found}; name a folder")
    return found


def given(path: str | Path, *, things: bool = False) -> Path:
    """A folder of pictures that somebody names.

    Args:
        path: of it.
        things: whether the pictures lie in a folder for each known thing.

    Raises:
        FileNotFoundError: there is none.
    """
    what = "a folder with a folder for each known thing" if things else "a folder of pictures"
    if not (path := Path(path)).is_dir():
        raise FileNotFoundError(f"expected {what} at {path}, found {kind(path)}; check the path")
    return path


def kind(path: Path) -> str:
    """What stands at a path, in two words."""
    return "a folder" if path.is_dir() else "a file" if path.exists() else "nothing"


def moved() -> dict[str, str]:
    """The variables that move folders, made absolute: what a process started elsewhere is to be given."""
    named = ("KT_DATA", "KT_CACHE", "KT_RUNS", "HF_HOME", "TORCH_HOME")
    return {variable: str(folder(variable, ROOT)) for variable in named if os.environ.get(variable)}


def offline() -> bool:
    """Whether nothing may be downloaded: `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` in any spelling of yes."""
    said = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(word.strip().upper() in ("1", "ON", "YES", "TRUE") for word in said)  # the hub's own list


def manifests() -> Path:
    """The folder of facts about data sets, checkpoints and published numbers, which stands beside the package.

    Raises:
        FileNotFoundError: it does not: the package was installed without the repository.
    """
    if not MANIFESTS.is_dir():
        raise FileNotFoundError(
            f"expected the repository around the package, with {MANIFESTS.name} in {ROOT}, found the package alone; "
            "install it from a checkout: pip install --editable ."
        )
    return MANIFESTS


def data() -> Path:
    """The folder of the real datasets: `KT_DATA`, or `data/` in the repository."""
    return folder("KT_DATA", ROOT / "data")


def cache() -> Path:
    """The folder of what was computed and may be deleted: `KT_CACHE`, or `cache/` in the repository."""
    return folder("KT_CACHE", ROOT / "cache")


def runs() -> Path:
    """The folder of what notebooks compute: `KT_RUNS`, or `runs/` in the repository."""
    return folder("KT_RUNS", ROOT / "runs")


def torch_checkpoints() -> Path:
    """The folder that torchvision keeps its weights in: `torch.hub.get_dir()` and `checkpoints`, without torch."""
    home = folder("TORCH_HOME", folder("XDG_CACHE_HOME", Path.home() / ".cache") / "torch")
    return home / "hub" / "checkpoints"


def java() -> Path | None:
    """The folder of the Java to use, `JAVA_HOME`; None where that is unset and the PATH decides."""
    home = folder("JAVA_HOME", Path())
    return home if home != Path() else None


def output(scale: str) -> Path:
    """The folder that results and figures go to: `KT_OUTPUT` inside a run, else a scratch folder.

    It holds `results/` and `figures/`. What is published (`committed`) is never written by a notebook:
    `./run_all.sh --record` copies a run there when all of it went well.
    """
    return folder("KT_OUTPUT", runs() / "scratch" / scale)


def committed(scale: str) -> Path:
    """The folder of the published rows of a scale."""
    return ROOT / "results" / scale
