"""What `./run_all.sh` and the benchmarks are asked for, read before torch is loaded where it can be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ktlib import places
from ktlib.companion.record import notebooks
from ktlib.companion.record.instructions import NAMES
from ktlib.companion.record.notebooks import SCALES


class RunError(Exception):
    """What was asked for cannot be run; the message says what to do."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says.

    Args:
        argv: its words; by default those of this process.

    Raises:
        SystemExit: it says something else, or asks for help.
    """
    parser = argparse.ArgumentParser(prog="./run_all.sh", description="Run the notebooks at a scale.")
    parser.add_argument("--scale", choices=SCALES, default="pocket")
    parser.add_argument("--only", action="append", metavar="NN", help="number prefix or stem; may be repeated")
    parser.add_argument("--force", action="store_true", help="run even what has not changed")
    parser.add_argument("--seed", type=_seed, default=0, help="a whole number from 0 on; default: 0")
    parser.add_argument("--kernels", choices=NAMES, help="default: KT_KERNELS, or the scale's (pocket: avx2)")
    parser.add_argument("--threads", type=int, help="default: 2 with pinned kernels, else as torch chooses")
    parser.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler, whose workers compute (KTLIB_DASK)")
    parser.add_argument("--html", action="store_true", help="make pages of the executed notebooks afterwards")
    parser.add_argument("--record", action="store_true", help="maintainers: publish what a whole, good run computed")
    parser.add_argument("--root", type=lambda name: Path(name).resolve(), default=places.ROOT, help="default: this")
    return parser.parse_args(argv)


def _seed(text: str) -> int:
    """A seed of the command line; rows have -1 for "none", so it is none."""
    if not text.isdecimal() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2**64 - 1, found {text!r}")
    return int(text)


def discover(root: Path, only: Sequence[str] | None) -> list[Path]:
    """Return the notebooks to run, in order; `only` holds number prefixes (`01`) or stems.

    Raises:
        RunError: there are no notebooks, or a name in `only` fits none.
    """
    found = notebooks.find(root)
    if not found:
        raise RunError(f"expected notebooks named NN_slug.ipynb in {root / 'notebooks'}; found none")
    if not only:
        return found
    wanted = [Path(name).name.removesuffix(".ipynb") for name in only]
    for name in wanted:
        if not any(name in (path.stem, path.stem[:2]) for path in found):
            raise RunError(f"no notebook {name!r}; there are: {', '.join(path.stem for path in found)}")
    return [path for path in found if path.stem in wanted or path.stem[:2] in wanted]


def usable_device(name: str) -> str:
    """The name of a device that is there: `cpu`, or `cuda`; for command lines.

    Raises:
        argparse.ArgumentTypeError: there is no such device, or torch finds none.
    """
    import torch  # when asked

    if name not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"expected cpu or cuda, found {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError("expected a CUDA device, found none that torch can use; leave --device out")
    return name
