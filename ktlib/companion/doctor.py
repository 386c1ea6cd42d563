"""`python -m ktlib doctor`: what this machine is, which tables it can make now, and what each of the others lacks.

A run at paper scale that cannot start ends in the same table (`lacking`). Hours are only of what `benchmarks/*.json`
measured, times how much of it a table needs; they are of the machine that is named there, and what was never measured
is said to be so.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
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
from ktlib.data import manifests
from ktlib.evaluate import java
from ktlib.places import ROOT

PACKAGES = ("torch", "torchvision", "transformers", "open_clip_torch", "timm")
GIB = 2**30
WIDTH = 100  # of the table


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


def ready(notebook: Notebook, scale: str) -> bool | None:
    """Whether a notebook can run now; None when it is not made for the scale."""
    if scale not in notebook.scales:
        return None
    return scale != "paper" or not gaps(notebook)


def gaps(notebook: Notebook) -> list[manifests.Missing]:
    """What a notebook lacks at paper scale."""
    needs = notebook.needs or notebooks.Needs()
    return manifests.missing(needs.datasets, needs.checkpoints, calibration=needs.calibration)


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


def weights_gb(names: Sequence[str]) -> float:
    """Disk that checkpoints take, in GB, as far as their manifests state a size."""
    sizes = [re.search(r"([\d.]+) ([MG])B", manifests.checkpoint(name).size) for name in dict.fromkeys(names)]
    return sum(float(size[1]) / (1000 if size[2] == "M" else 1) for size in sizes if size)


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
    tables = []
    for path in notebooks.find(root):
        one = notebooks.read(path)
        absent = gaps(one) if "paper" in one.scales else []
        tables.append(
            {
                "notebook": one.stem,
                "items": items(one),
                "ready": {scale: ready(one, scale) for scale in SCALES},
                "lacks": [{"name": g.name, "found": g.found, "get": way(g), "steps": list(g.how)} for g in absent],
                "hours": [vars(part) for part in hours(one.stem)],
                "weights_gb": round(weights_gb(one.needs.checkpoints if one.needs else ()), 2),
            }
        )
    return {"machine": machine(), "tables": tables}


def page(found: Mapping[str, Any]) -> str:
    """The same for a person, on one screen."""
    here = found["machine"]
    gpus = ", ".join(f"{gpu['name']} ({gpu['memory_gib']} GiB)" for gpu in here["gpus"]) or "none"
    lines = [
        f"python {here['python']}; " + ", ".join(f"{name} {version}" for name, version in here["packages"].items()),
        f"{here['cores']} cores; memory {here['memory_gib']} GiB, {here['free_memory_gib']} free; GPU: {gpus}",
        f"data: {here['data']}, {here['free_disk_gib']} GiB free" + ("; downloads are forbidden" * here["offline"]),
        _short(f"Java (METEOR, SPICE): {here['java']}", 2 * WIDTH),
        "",
    ]
    width = max(len(table["notebook"]) for table in found["tables"])
    lines.append(f"{'notebook':{width}}  {'pocket':7} {'rehearsal':10} {'paper':18} weights")
    for table in found["tables"]:
        said = {scale: {True: "ready", False: "lacks", None: "–"}[ok] for scale, ok in table["ready"].items()}
        lacks = f" {len(table['lacks'])} thing(s)" if table["lacks"] else ""
        lines.append(
            f"{table['notebook']:{width}}  {said['pocket']:7} {said['rehearsal']:10} {said['paper'] + lacks:18} "
            f"{table['weights_gb']:5.2f} GB"
        )
    things: dict[str, tuple[str, list[str]]] = {}
    for table in found["tables"]:
        for gap in table["lacks"]:
            things.setdefault(gap["name"], (gap["get"], []))[1].append(table["notebook"][:2])
    if things:
        wide = max(map(len, things))
        lines += ["", "what the paper scale lacks, and for which notebooks (disk of a dataset: data show NAME)"]
        lines += [f"  {name:{wide}}  {' '.join(users):8}  {get}" for name, (get, users) in things.items()]
    lines += [
        "",
        "hours, from measured rates, on the machine that was measured; other parts come on top",
    ]
    for table in found["tables"]:
        for part in table["hours"]:
            told = "not measured" if part["hours"] is None else f"{part['hours']:.2f} h on {part['source']}"
            lines.append(f"  {table['notebook'][:2]}  {part['what']}: {told}")
    return "\n".join(lines)
