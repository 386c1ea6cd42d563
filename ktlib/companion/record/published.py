"""What the papers print: every number and every claim, and where ours stand beside them.

Read from `data_manifests/published/`. KT is arXiv 2411.15611 (two versions), ZS is 2401.11633.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ktlib.companion.record import notebooks
from ktlib.companion.record.rows import Row, select, stem
from ktlib.data import tables
from ktlib.places import NOTEBOOKS, manifests

T = TypeVar("T")


@dataclass(frozen=True)
class Number:
    """One printed number.

    Attributes:
        item: where it is printed: `KT Tab. 1`, `KT v2 Tab. 9`, `ZS Tab. 4`.
        model, variant, dataset, concept, learning_rate, batch_size, other, metric, unit: as in
            `results.csv`; its README explains them.
        printed: as it is printed, `58.10`.
        value: the same as a number; percent stays percent.
        note: a suspected error of the paper; empty where there is none.
    """

    item: str
    model: str
    variant: str
    dataset: str
    concept: str
    learning_rate: str
    batch_size: str
    other: str
    metric: str
    printed: str
    value: float
    unit: str
    note: str


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, in eight words or fewer too, and how it may be tested; the columns of `claims.csv`."""

    id: str
    paper: str
    where: str
    short: str
    claim: str
    items: str
    how_to_test: str


# What v2 prints again without changing a number (`data_manifests/published/v2_differences.md`).
REPEATED = {
    "KT v2 Fig. 2": "KT Fig. 1", "KT v2 Tab. 11": "KT Tab. 1",
    "KT v2 Tab. 13": "KT Tab. 2", "KT v2 Tab. 3": "KT Tab. 2",
    "KT v2 Tab. 4": "KT Tab. 3", "KT v2 Tab. 7": "KT Tab. 4", "KT v2 Tab. 8": "KT Tab. 5", "KT v2 Tab. 5": "KT Tab. 6",
    "KT v2 Tab. 14": "KT Tab. 7", "KT v2 Tab. 15": "KT Tab. 8", "KT v2 Tab. 16": "KT Tab. 9",
    "KT v2 Tab. 17": "KT Tab. 10", "KT v2 Tab. 6": "KT Tab. 10", "KT v2 Tab. 18": "KT Tab. 11",
    "KT v2 Fig. 8": "KT Fig. 3", "KT v2 Fig. 12": "KT Fig. 4", "KT v2 Fig. 13": "KT Fig. 5",
}  # fmt: skip

# Items that show numbers of another one: its rows are theirs, and so is its notebook unless one writes their own file.
FROM = {
    "KT Fig. 1": "KT Tab. 1", "KT v2 Fig. 3": "KT Tab. 1", "KT v2 Fig. 9": "KT Tab. 1", "ZS Fig. 1": "ZS Tab. 1",
    "ZS Fig. 3": "ZS Tab. 6",
}  # fmt: skip

# Pictures of the papers (t-SNE) in whose place stands one of another kind, under a name of its own.
IN_PLACE = {"ZS Fig. 3": "zs_targets", "ZS Fig. 4": "zs_mapped"}


def item_name(paper: str, version: str, item: str) -> str:
    """The name of an item: v1 is not mentioned, v2 is.

    Example:
        `item_name("KT", "v2", "Tab. 9")` is `KT v2 Tab. 9`; `item_name("ZS", "v1", "Tab. 4")` is `ZS Tab. 4`.
    """
    return f"{paper} {item}" if version == "v1" else f"{paper} {version} {item}"


def _lines(name: str, columns: Sequence[str], make: Callable[[dict[str, str]], T]) -> list[T]:
    """What a table of the papers says.

    Raises:
        ValueError: it is damaged.
    """
    file = manifests() / "published" / name
    try:
        return [make(line) for line in tables.rows(file, columns)]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"expected {file} as it is in the repository, found something else ({error}); restore it with git"
        ) from error


def _number(line: dict[str, str]) -> Number:
    item = item_name(line.pop("paper"), line.pop("version"), line.pop("item"))
    return Number(item=item, printed=line["value"], value=float(line.pop("value")), **line)


@functools.cache
def _numbers() -> tuple[Number, ...]:
    return tuple(_lines("results.csv", ("paper", "version", "item", "value"), _number))


def numbers(item: str | None = None) -> list[Number]:
    """All printed numbers, or those of one item; a figure without printed values has none."""
    return [number for number in _numbers() if item is None or number.item == item]


@functools.cache
def claims() -> dict[str, Claim]:
    """The claims of both papers by their ids, in the order of `claims.csv`."""
    return {claim.id: claim for claim in _lines("claims.csv", ("id",), lambda line: Claim(**line))}


@functools.cache
def figures() -> dict[str, str]:
    """What each figure that shows results shows, in the order of `figures.csv`."""
    lines = _lines("figures.csv", ("paper", "version", "item", "shows"), dict)
    return {item_name(line["paper"], line["version"], line["item"]): line["shows"] for line in lines}


@functools.cache
def _items() -> tuple[str, ...]:
    return tuple(sorted({*figures(), *(number.item for number in _numbers())}, key=_order))


def _order(item: str) -> tuple[str, bool, str, int]:
    paper, *version, kind, number = item.split()
    return paper, bool(version), kind, int(number)


def items() -> list[str]:
    """All items that print or plot results: KT, its second version, ZS; figures, then tables."""
    return list(_items())


def notebook(item: str, folder: Path = NOTEBOOKS) -> str | None:
    """The notebook that writes the rows or the figure of an item; None where none does.

    Args:
        item: of a paper, or one that we added.
        folder: of the notebooks; each says in its metadata what it writes.
    """
    known = _written(folder)
    own = REPEATED.get(item, item)
    return next((known[name] for name in file_names(own) if name in known), None)


def file_names(item: str) -> tuple[str, ...]:
    """Stems of the files that show an item, the likeliest first: what is drawn in its place, its own, its source's."""
    return tuple(dict.fromkeys((IN_PLACE.get(item, stem(item)), stem(item), stem(FROM.get(item, item)))))


@functools.cache
def _written(folder: Path) -> dict[str, str]:
    """Stems of rows and figures, and the notebook that writes each."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        declared = notebooks.read(path)
        for line in (*declared.writes, *declared.sometimes):
            file = PurePosixPath(line)
            if file.parts[0] in ("results", "figures"):
                found.setdefault(file.stem, path.stem)
    return found


def items_of(claim: Claim) -> tuple[str, ...]:
    """The items a claim rests on: those its `items` name, or else those of `where`."""
    for text in (claim.items, claim.where):
        found = [
            item_name(claim.paper, "v2" if re.search(r"\bv2\b", part) else "v1", f"{kind}. {number}")
            for part in text.split(";")
            for kind, listed in re.findall(r"\b(Tab|Fig)\. (\d+(?:(?:, | and | to )\d+\b)*)", part)
            for number in _expand(listed)
        ]
        if found:
            return tuple(dict.fromkeys(REPEATED.get(item, item) for item in found))
    return ()


def _expand(listed: str) -> list[int]:
    """`3, 9 to 12` as numbers."""
    found: list[int] = []
    for part in re.split(r", | and ", listed):
        first, _, last = part.partition(" to ")
        found += range(int(first), int(last or first) + 1)
    return found


# -- our rows beside printed numbers ----------------------------------------------------------------
_MODELS = {"CLIP ViT-B/32": "openai/ViT-B-32", "CLIP ViT-L/14": "openai/ViT-L-14"}
_MODELS |= {"ViLT-B/32": "dandelin/vilt-b32-mlm-itm"}
_MODELS |= {"MedCLIP (ViT)": "RyanWangZf/MedCLIP-ViT"}
_MODELS |= {"MedCLIP-SAMv2": "microsoft/BiomedCLIP"}
_MODELS |= {"CoCa": "laion/coca-ViT-L-14", "CoCa FT": "laion/coca-ViT-L-14-mscoco"}
_METHODS = {"baseline": "base", "transfer": "kt", "llm_prompting": "prompt"}
_METHODS |= {"reference": "base"}  # KT Tab. 3: the model that knows
_METHODS |= {"implicit_mlm": "implicit", "explicit_mlm": "explicit"}
_METRICS = {"accuracy": "target_accuracy", "imagenet_accuracy": "retention"}
_METRICS |= {f"{way}@{k}": f"{way}@{k}" for way in ("tr", "ir") for k in (1, 5, 10)}
_METRICS |= {"top1": "top1"}
_METRICS |= {"dsc": "dsc", "iou": "iou", "nsd": "nsd_slab"}  # what is printed as NSD is that of slabs (D62)
_METRICS |= {metric: metric for metric in ("bleu4", "meteor", "cider", "spice")}
# Rows of one printed table that have a file of their own.
PART_OF = {"KT Tab. 1 ViLT": "KT Tab. 1"}
_OF_SETS = ("KT Tab. 4", "KT Tab. 7")  # the set says what is looked for, and with which prompt
# What KT v2, Tab. 9 and 10 vary, in our words; P1 to P3 are of increasing length (Tab. 19).
_VARIED = {
    ("augmentation", "no"): ("augmentation", "off"),
    ("augmentation", "yes"): ("augmentation", "on"),
    ("prompt", "P1"): ("description", "short"),
    ("prompt", "P2"): ("description", "medium"),
    ("prompt", "P3"): ("description", "long"),
}


def beside(number: Number, rows: Iterable[Row]) -> list[Row]:
    """Our rows that measure what a printed number measures, one for each setting, concept and seed.

    Args:
        number: a printed one.
        rows: ours, of any items; only test rows of the number's item are considered.
    """
    if number.item.startswith("ZS "):
        return _beside_zoom_shot(number, rows)
    if "sample=" in number.other:
        return []  # of an image that the paper chose; ours are others
    items = (number.item, *(part for part, whole in PART_OF.items() if whole == number.item))
    same = select(rows, item=items, split="test", metric=_metric(number))
    models = _models(number)
    same = select(same, model=models, method=_method(number))
    if {row.model for row in same} != set(models):
        return []  # an average over models, and one of them was not measured
    if number.item in _OF_SETS:
        return [row for row in select(same, dataset=number.dataset) if _at_rate(row, number)]
    if number.concept not in ("Average", ""):
        same = select(same, subject=number.concept.lower())
    same = [row for row in same if _at_rate(row, number)]
    if number.batch_size:
        same = [row for row in same if row.varied.get("batch", number.batch_size) == number.batch_size]
    parts = [tuple(part.split("=", 1)) for part in number.other.split(";") if "=" in part]
    wanted = {
        ("tv", f"{float(value):g}") if key == "tv_alpha" else _VARIED[key, value]
        for key, value in parts
        if key == "tv_alpha" or (key, value) in _VARIED
    }
    return [row for row in same if wanted <= {(k, _plain(v)) for k, v in row.varied.items()}]


def _at_rate(row: Row, number: Number) -> bool:
    """Whether a row has a number's learning rate, where one is printed."""
    return not number.learning_rate or row.lr == float(number.learning_rate)


def _metric(number: Number) -> str | None:
    """What a number measures, in our words; KT Tab. 2 calls accuracy on what was known so too."""
    if number.item == "KT Tab. 2" and number.dataset != "JSRT":
        return "retention"
    return _METRICS.get(number.metric)


def _models(number: Number) -> list[str]:
    """The models that a number is about, in our words: one, or all of its item where it is their average."""
    if number.model != "Average":
        return [_MODELS[number.model]] if number.model in _MODELS else []
    return sorted({_MODELS[other.model] for other in numbers(number.item) if other.model in _MODELS})


def _method(number: Number) -> str | None:
    """The method that a number is about, in our words."""
    return "kt_visual" if "decoder_finetuned=no" in number.other else _METHODS.get(number.variant)


def rates(item: str, model: str, method: str) -> list[float]:
    """The learning rates that an item prints for a model and a method, both in our words; none for a pocket model."""
    own = [number for number in numbers(item) if _models(number) == [model] and _method(number) == method]
    return sorted({float(number.learning_rate) for number in own if number.learning_rate})


_ENCODERS = {
    "MobileNetV3-small": "torchvision/mobilenet_v3_small",
    "DenseNet-121": "torchvision/densenet121",
    "ResNet-18": "torchvision/resnet18",
    "DINOv1 ViT-B/16": "timm/vit_base_patch16_224.dino",
    "DINOv2 ViT-B/14": "timm/vit_base_patch14_dinov2.lvd142m",
    "CLIP ViT-B/16": "openai/ViT-B-16",
}
# What ZS varies, in our words: method and what was varied, of a printed variant; elsewhere the item decides.
_VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "clip_zero_shot": ("clip", {}),
    "LM": ("zoom_shot", {"losses": "PG-KD", "matching": "cosines"}),
    "HT-CE": ("zoom_shot", {"losses": "PG-KD", "matching": "ht_ce", "temperature": "20"}),
}


def _beside_zoom_shot(number: Number, rows: Iterable[Row]) -> list[Row]:
    """The set stands where KT has a concept; an average has the rows of all its sets, or none."""
    stated = dict(part.split("=", 1) for part in number.other.split(";") if "=" in part)
    method, varied = _VARIANTS.get(number.variant, (number.variant, {}))
    if number.variant in ("MSE", "MSE+PG-KD", "MSE+CC", "PG-KD", "CC", "CC+PG-KD", "All"):
        method, varied = "zoom_shot", {"losses": number.variant}
    elif number.item == "ZS Tab. 2":
        varied = {"mapping": "h_inv"}
    elif number.item == "ZS Tab. 6":
        varied = {"train": "target"}
    elif number.item != "ZS Tab. 1" and number.variant in ("zoom_shot", "linear_aligner"):
        varied = {"share": _plain(stated["train_fraction"]), "epochs": stated["epochs"]}
    same = select(rows, item=number.item, split="test", metric=number.metric, method=method, varied=varied)
    same = select(same, model=_ENCODERS[number.model])
    if number.dataset != "Average":
        return select(same, subject=number.dataset)
    averaged = {other.dataset for other in numbers(number.item)} - {"Average"}
    return same if averaged <= {row.subject for row in same} else []


def _plain(value: str) -> str:
    """`0.0050` as `0.005`; words stay as they are."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def find(item: str) -> str | None:
    """The item somebody meant, whatever their capitals, dots and spaces; None where there is none."""
    return {stem(known): known for known in [*items(), *REPEATED]}.get(stem(" ".join(item.split())))
