"""`python -m ktlib doctor`: what this machine is, which tables it can make now, and what each of the others lacks.

One screen; `--full` names each thing and each part. A run at paper scale that cannot start ends in the table of what
is missing (`lacking`). Hours are only of what `benchmarks/*.json` measured, times how much of it a table needs; they
are of the machine that is named there, and what was never measured is said to be so.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from ktlib import places
from ktlib.companion.record import notebooks, published
from ktlib.companion.record.notebooks import SCALES, Notebook
from ktlib.companion.scales import scale as scale_of
from ktlib.data import manifests, sizes
from ktlib.evaluate import java
from ktlib.places import ROOT

PACKAGES = ("torch", "torchvision", "transformers", "open_clip_torch", "timm")
GIB = 2**30
WIDTH, LINES = 100, 40  # of a screen


@dataclass(frozen=True)
class Hours:
    """What a measured rate makes of one part of a table.

    Attributes:
        what: the part, and how much of it.
        hours: on the machine that was measured; None where nobody has measured it.
        source: the file, and that machine.
    """

    what: str
    hours: float | None
    source: str


def machine() -> dict[str, Any]:
    """What this machine is: versions, device, memory, disk, Java."""
    memory = psutil.virtual_memory()
    place = next(folder for folder in (places.data(), *places.data().parents) if folder.is_dir())
    gpus = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            known = torch.cuda.get_device_properties(number)
            gpus.append({"name": known.name, "memory_gib": round(known.total_memory / GIB, 1)})
    try:
        found = java.find()
        spoken = f"{found.version} ({found.path})"
    except java.NoAnswer as error:
        spoken = f"none: {error}"
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "memory_gib": round(memory.total / GIB, 1),
        "free_memory_gib": round(memory.available / GIB, 1),
        "data": str(places.data()),
        "free_disk_gib": round(shutil.disk_usage(place).free / GIB, 1),
        "gpus": gpus,
        "java": spoken,
        "offline": places.offline(),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


# -- what is there for which table --------------------------------------------------------------------
def items(notebook: Notebook) -> list[str]:
    """The published items that a notebook makes, in the order of the papers."""
    return [item for item in published.items() if published.notebook(item) == notebook.stem]


def ready(notebook: Notebook, scale: str, lacks: Sequence[manifests.Missing] | None = None) -> bool | None:
    """Whether a notebook can run now; None when it is not made for the scale. `lacks` as in `blocking`."""
    if scale not in notebook.scales:
        return None
    return scale != "paper" or not blocking(notebook, lacks)


def gaps(notebook: Notebook) -> list[manifests.Missing]:
    """What a notebook lacks at paper scale."""
    needs = notebook.needs or notebooks.Needs()
    return manifests.missing(needs.datasets, needs.checkpoints, calibration=needs.calibration)


def blocking(notebook: Notebook, lacks: Sequence[manifests.Missing] | None = None) -> list[manifests.Missing]:
    """What a notebook lacks and cannot start without: no optional dataset, unless something stands in its place.

    Args:
        notebook: which.
        lacks: what it lacks, where that is known already (`gaps`).
    """
    optional = {f"dataset {name}" for name in (notebook.needs or notebooks.Needs()).optional}
    lacks = gaps(notebook) if lacks is None else lacks
    return [gap for gap in lacks if gap.name not in optional or os.path.lexists(gap.where)]


def lacking(found: Sequence[tuple[str, Sequence[manifests.Missing]]]) -> str:
    """What is missing, as one table: a line a thing, which notebooks need it, and the command or step that gets it.

    Args:
        found: notebooks by their stems, each with what it lacks.
    """
    users: dict[str, list[str]] = {}
    once: dict[str, manifests.Missing] = {}
    for stem, things in found:
        for gap in things:
            users.setdefault(gap.name, []).append(stem[:2])
            once[gap.name] = gap
    lines = [("missing", "for", "found", "get it")]
    lines += [(name, " ".join(users[name]), _short(gap.found, 34), way(gap)) for name, gap in once.items()]
    width = [max(len(line[part]) for line in lines) for part in range(3)]
    return "\n".join("  ".join([*(line[p].ljust(width[p]) for p in range(3)), line[3]]) for line in lines)


def way(gap: manifests.Missing) -> str:
    """The command that gets a thing, or who must be asked."""
    kind, _, name = gap.name.partition(" ")
    if kind == "calibration":
        return gap.how[0].partition(": ")[2].split("   ")[0]
    name = name.removeprefix("of ")
    if kind == "dataset":
        return manifests.dataset(name).way
    return f"python -m ktlib data get {name}"


def absent(gaps: Sequence[manifests.Missing]) -> dict[str, list[str]]:
    """Names of the datasets, checkpoints and calibrations that are lacking; weights without their words lack, too."""
    found: dict[str, dict[str, None]] = {"dataset": {}, "checkpoint": {}, "calibration": {}}
    for gap in gaps:
        kind, _, name = gap.name.partition(" ")
        found["checkpoint" if kind == "words" else kind][name.removeprefix("of ")] = None
    return {kind: list(names) for kind, names in found.items()}


def _bytes_lacking(gaps: Sequence[manifests.Missing]) -> tuple[float, int]:
    """As `sizes.disk`; words alone are too small to count."""
    return sizes.disk(
        [name for gap in gaps for kind, _, name in [gap.name.partition(" ")] if kind in ("dataset", "checkpoint")]
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


# -- how long -----------------------------------------------------------------------------------------
def hours(stem: str, folder: Path = ROOT / "benchmarks") -> list[Hours]:
    """What the measured rates say of a notebook at paper scale; parts that nobody measured have no hours.

    Args:
        stem: of the notebook.
        folder: of the measurements.
    """
    return [_of(what, file, path, count, folder) for what, file, path, count in _parts().get(stem[:2], ())]


def _parts() -> dict[str, list[tuple[str, str, tuple[Any, ...], float]]]:
    """For each notebook: a part, the file of its rate, where in it the seconds of one are, and how many are needed."""
    paper = scale_of("paper")
    pictures = paper.clip.images_per_concept
    pairs = 1000 * 5000  # the test split of Flickr30k
    fits = len(paper.zoom_shot.encoders)
    return {
        "01": [
            (
                f"invert one concept ({pictures} images) with ViT-B/32",
                "inversion",
                ("overhead", "random/ViT-B-32", "hours for 1000 images"),
                3.6 * pictures,
            )
        ],
        "04": [
            (
                f"score Flickr30k's {pairs:,} pairs once",
                "retrieval",
                ("models", "random/vilt-b32", "ours_ms"),
                pairs / 1000,
            )
        ],
        "05": [("caption with CoCa", "captioning", ("models", "random/coca", "milliseconds"), 1.0)],
        "03": [("a map of BiomedCLIP and a mask of SAM", "saliency", ("maps", "random/BiomedCLIP", "ours_ms"), 1.0)],
        "02": [("invert with MedCLIP", "inversion", ("overhead", "random/MedCLIP", "hours for 1000 images"), 1.0)],
        "06": [
            (
                f"fit {fits} maps on a fifth of ImageNet, features at hand (rate of ResNet-18)",
                "zoom_shot",
                ("fits", "ResNet-18", "fit_of_256k_s"),
                float(fits),
            )
        ],
    }


def _of(what: str, file: str, path: tuple[Any, ...], count: float, folder: Path) -> Hours:
    section, name, key = path
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, StopIteration):
        found: Mapping[str, Any] = json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))
        one = next(e for e in found[section] if name in (e.get("model"), e.get("encoder")))
        device = found.get("machine", found)["device"]
        return Hours(what, float(one[key]) * count / 3600, f"benchmarks/{file}.json: {device}")
    return Hours(what, None, "not measured")


# -- the page -----------------------------------------------------------------------------------------
def examine(root: Path = ROOT) -> dict[str, Any]:
    """All that `doctor` says, for `--json`."""
    tables, every = [], []
    for path in notebooks.find(root):
        one = notebooks.read(path)
        needs = one.needs or notebooks.Needs()
        lacks = gaps(one) if "paper" in one.scales else []
        held = blocking(one, lacks)
        every += held
        tables.append(
            {
                "notebook": one.stem,
                "items": items(one),
                "ready": {scale: ready(one, scale, lacks) for scale in SCALES},
                "needs": {"dataset": len(needs.datasets), "checkpoint": len(needs.checkpoints)},
                "lacks": [
                    {"name": g.name, "found": g.found, "get": way(g), "steps": list(g.how), "optional": g not in held}
                    for g in lacks
                ],
                "absent": absent(held),
                "disk_gb": _stated(_bytes_lacking(held)),
                "hours": [vars(part) for part in hours(one.stem)],
                "weights_gb": round(sizes.disk(needs.checkpoints)[0], 2),
            }
        )
    return {"machine": machine(), "tables": tables, "absent": absent(every), "disk_gb": _stated(_bytes_lacking(every))}


def _stated(found: tuple[float, int]) -> dict[str, float | int]:
    return {"stated": round(found[0], 2), "without a size": found[1]}


def page(found: Mapping[str, Any], *, full: bool = False) -> str:
    """What a person needs first, on one screen: this machine, and one line a notebook.

    Args:
        found: by `examine`.
        full: it is followed by all else, so that nothing points there.
    """
    head = ("notebook", "can run", "lacks at paper scale", "GB to get", "hours")
    lines = [head, *(_line(table) for table in found["tables"])]
    lines.append(("all", "", _counted(found["absent"]), _gigabytes(found["disk_gb"]), ""))
    width = [max(len(line[part]) for line in lines) for part in range(len(head))]
    rows = [
        "  ".join((*(line[p].ljust(width[p]) for p in range(3)), *(line[p].rjust(width[p]) for p in (3, 4)))).rstrip()
        for line in lines
    ]
    said = [*_machine(found["machine"]), "", *rows, "", *_measured(found["tables"]), *LEGEND, "", *NEXT[full:]]
    return "\n".join(_short(line, WIDTH) for line in said)


LEGEND = (
    "GB to get: downloads, as far as a size is stated; + ?: some have none. Unpacked they take more.",
    "can run: its largest scale for which all is here. calibration: python -m ktlib calibrate, on a GPU.",
    "8+2: two are optional, left out of the tables as long as nothing is there, and not counted in GB.",
)
NEXT = (
    "name by name      python -m ktlib doctor --full",  # the first: `page` leaves it out where that is what follows
    "terms and steps   python -m ktlib data show NAME",
    "what is open      python -m ktlib data get NAME",
    "then              ./run_all.sh --scale paper --only NN",
)


def _machine(here: Mapping[str, Any], *, local: bool = False) -> list[str]:
    """Versions, device, memory, disk and Java; with `local`, how each package was built."""
    built = {name: version if local else version.partition("+")[0] for name, version in here["packages"].items()}
    gpus = ", ".join(f"{gpu['name']} ({gpu['memory_gib']} GiB)" for gpu in here["gpus"]) or "none"
    forbidden = "; downloads are forbidden (HF_HUB_OFFLINE)" * here["offline"]
    return [
        f"python {here['python']}, "
        + ", ".join(f"{name.removesuffix('_torch')} {version}" for name, version in built.items()),
        f"GPU: {gpus}; CPU: {here['cores']} cores; memory: {here['memory_gib']} GiB, {here['free_memory_gib']} free",
        f"disk: {here['free_disk_gib']} GiB free for KT_DATA, {here['data']}{forbidden}",
        f"Java (METEOR, SPICE): {here['java']}",
    ]


def _line(table: Mapping[str, Any]) -> tuple[str, ...]:
    """A notebook: its largest scale that can run now, and what the paper scale lacks, takes and lasts."""
    now = [scale for scale in SCALES if table["ready"][scale]]
    if table["ready"]["paper"] is None:
        return table["notebook"], now[-1], "not made for it", "–", "–"
    needs, optional = table["needs"], sum(gap["optional"] for gap in table["lacks"])
    lacks = _counted(table["absent"], needs, optional)
    works = any(needs.values())  # else it computes nothing of its own
    return table["notebook"], now[-1], lacks, _gigabytes(table["disk_gb"]), _hours(table["hours"]) if works else "–"


def _counted(absent: Mapping[str, Sequence[str]], needs: Mapping[str, int] | None = None, optional: int = 0) -> str:
    """How many of what are lacking: `3+1 of 5 datasets, 2 checkpoints, calibration`, one of them optional."""
    told = []
    for kind, names in absent.items():
        of, more = "", ""
        if needs and kind == "dataset":
            of, more = f" of {needs[kind]}", f"+{optional}" if optional else ""
        plural = "" if (needs[kind] if of and needs else len(names)) == 1 else "s"
        if names or more:
            told.append(kind if kind == "calibration" else f"{len(names)}{more}{of} {kind}{plural}")
    return ", ".join(told) or "nothing"


def _gigabytes(found: Mapping[str, float | int]) -> str:
    return sizes.told(found["stated"], int(found["without a size"]))


def _hours(parts: Sequence[Mapping[str, Any]]) -> str:
    """The measured parts together; what was not measured comes on top."""
    known = [part["hours"] for part in parts if part["hours"] is not None]
    total = sum(known)
    return ("≥ " + (f"{total:,.0f}" if total >= 10 else f"{total:.2g}")) if known else "?"


def _measured(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """What hours are made of, once."""
    parts = [part for table in tables for part in table["hours"] if part["hours"] is not None]
    machines = sorted({part["source"].partition(": ")[2] for part in parts})
    if not machines:
        return ["hours: ? everywhere, for nothing was measured (benchmarks/README.md)."]
    gpu = "" if any(not machine.startswith("CPU") for machine in machines) else "; no GPU was measured"
    return [
        f"hours: of one part of a notebook, at rates measured on {' and '.join(machines)}{gpu}.",
        "       The other parts come on top (≥); ?: no part was measured. --full names the parts.",
    ]


def whole_page(found: Mapping[str, Any]) -> str:
    """The page, then what each notebook lacks with the way to it, and the parts that hours are made of.

    Args:
        found: by `examine`.
    """
    things: dict[str, tuple[str, list[str]]] = {}
    held = {gap["name"] for table in found["tables"] for gap in table["lacks"] if not gap["optional"]}
    for table in found["tables"]:
        for gap in table["lacks"]:
            get = gap["get"] if gap["name"] in held else f"{gap['get']}; optional"
            things.setdefault(gap["name"], (get, []))[1].append(table["notebook"][:2])
    lines = [page(found, full=True), "", "how each package was built", *_machine(found["machine"], local=True)[:1]]
    if things:
        wide = max(map(len, things))
        lines += ["", "what the paper scale lacks, for which notebooks, and the way to it"]
        lines += [f"  {name:{wide}}  {' '.join(users):11}  {get}" for name, (get, users) in things.items()]
    lines += ["", "weights of each notebook, in GB, there or not"]
    lines += [f"  {table['notebook'][:2]}  {table['weights_gb']:.2f}" for table in found["tables"]]
    lines += ["", "hours, from measured rates, on the machine that was measured; other parts come on top"]
    for table in found["tables"]:
        for part in table["hours"]:
            told = "not measured" if part["hours"] is None else f"{part['hours']:.2f} h by {part['source']}"
            lines.append(f"  {table['notebook'][:2]}  {part['what']}: {told}")
    return "\n".join(lines)
