"""What the datasets and checkpoints are, where they belong, and which of them are not there.

The facts live in `data_manifests/datasets/*.json` (Croissant 1.1 with `kt:` keys) and
`data_manifests/checkpoints.yaml`. What a notebook needs of them stands in the notebook's metadata.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

import yaml
from huggingface_hub.constants import HF_HUB_CACHE

from ktlib import places
from ktlib.data import hub, tables
from ktlib.places import MANIFESTS

T = TypeVar("T")

# What an access asks of a person, of datasets and checkpoints alike.
ACCESS = {
    "open": "from an open page, no account needed",
    "click-through": "after filling in a form or accepting rules",
    "registration": "with an account or an agreement",
    "credentialed": "with credentials that its publisher grants",
    "email-request": "after asking by e-mail",
    "unavailable": "its own address is gone or there never was one",
}


@dataclass(frozen=True)
class Count:
    """A number of items that a paper states, or that its numbers imply."""

    n: int
    of: str
    basis: str  # "stated" or "implied"
    source: str


@dataclass(frozen=True)
class Part:
    """Files without which a dataset is incomplete: at least `count` that match one of the globs."""

    what: str
    any_of: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Download:
    """A file of an open dataset; `into` is a folder relative to `data_root()`."""

    url: str
    into: str
    extract: bool

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Dataset:
    """One dataset, as its manifest describes it. `where` is relative to `data_root()`."""

    name: str
    description: str
    url: str
    licence: str
    access: str  # a key of ACCESS
    terms: str
    size: str  # of what is to be downloaded, as far as anybody states it
    layout: tuple[str, ...]
    pairing: str  # what joins a picture to its label, caption or mask
    splits: Mapping[str, int | str]
    n_official: int | None
    n_paper: tuple[Count, ...]
    stand_in: str  # what is drawn in its place at pocket scale
    known_issues: tuple[str, ...]
    unverified: tuple[str, ...]
    how_to_get: tuple[str, ...]
    downloads: tuple[Download, ...]
    where: str
    present: tuple[Part, ...]
    checksums: Mapping[str, Mapping[str, str]]
    verified: bool
    verified_by: str

    @property
    def way(self) -> str:
        """How it is got: the command, or why a person is needed."""
        if not self.present:
            return "drawn by code"
        if self.downloads:
            return f"python -m ktlib data get {self.name}"
        return f"by hand ({ACCESS[self.access]}): python -m ktlib data show {self.name}"

    @property
    def steps(self) -> tuple[str, ...]:
        """How it is got, step by step; the command first, where there is one."""
        return (f"{self.way}; or by hand:", *self.how_to_get) if self.downloads else self.how_to_get


@dataclass(frozen=True)
class Checkpoint:
    """One set of published weights.

    `sha256` is that of the file behind `url`: whole, or its first eight digits where the publisher writes
    no more into the file's name (torchvision), or None where it states none. `recorded` is what others wrote down of
    that file: md5 or sha256, and the source.
    """

    name: str
    library: Mapping[str, str]  # its name, and what it calls the model: arguments of its function that makes models
    hub: Mapping[str, str] | None  # repository, file, revision if pinned; None: only the file behind `url` exists
    url: str
    sha256: str | None
    licence: str
    access: str  # a key of ACCESS
    revision: str  # which version of the file is meant, as far as an address or a name says
    size: str
    stand_in: str  # the pocket model in its place at pocket scale
    image_size: int
    embedding_size: int
    context_length: int | None  # None: it reads no text
    mean: tuple[float, ...]
    std: tuple[float, ...]
    used_by: tuple[str, ...]
    known_issues: tuple[str, ...]
    verified: bool
    verified_by: str
    unverified: tuple[str, ...]
    recorded: Mapping[str, str] | None = None
    also: tuple[Mapping[str, str], ...] = ()  # small files that it is of no use without; as `hub`, one file of them
    loaded: bool = True  # False: a system of the papers that is described, and that no code here loads
    by_hand: tuple[str, ...] = ()  # steps, where nothing can be downloaded without a person

    @property
    def wanted(self) -> str:
        """Name of the file that is loaded: of the hub where there is one, else of the one behind `url`."""
        return self.hub["file"] if self.hub else self.url.rsplit("/", 1)[-1]

    @property
    def place(self) -> Path:
        """Where a copy outside the caches is expected. Not CLIP's .pt behind `url`: it is no state dict."""
        return data_root() / "checkpoints" / f"{self.name}{Path(self.wanted).suffix}"

    def file(self) -> Path | None:
        """The weights on this machine: at `place`, else in the cache of the hub or of torch, else None."""
        if self.place.is_file():
            return self.place
        if self.hub is None:
            kept = places.torch_checkpoints() / self.wanted
            return kept if kept.is_file() else None
        return hub.cached(self.hub)

    @property
    def record(self) -> Path:
        """What `data get` writes down of the file that came: from where, which revision, its sha256."""
        return self.place.with_suffix(".json")


@dataclass(frozen=True)
class Missing:
    """Something that the paper scale needs and that is not there; `str()` says all there is to do."""

    name: str
    expected: tuple[str, ...]
    found: str
    how: tuple[str, ...]
    where: Path

    def __str__(self) -> str:
        """What was expected, what was found, how to get it and where to put it."""
        expected = "\n            ".join(self.expected)
        how = "\n            ".join(f"{number}. {step}" for number, step in enumerate(self.how, 1))
        lines = [f"expected: {expected}", f"found:    {self.found}", f"get it:   {how}", f"put it:   {self.where}"]
        return "\n  ".join([f"{self.name} is missing", *lines])


def data_root() -> Path:
    """The folder of the real datasets: `places.data()`."""
    return places.data()


def dataset(name: str) -> Dataset:
    """The manifest of a dataset.

    Raises:
        KeyError: there is no such manifest; the message names those there are.
        ValueError: it is damaged.
    """
    file = places.manifests() / "datasets" / f"{name}.json"
    if not file.is_file():
        raise KeyError(f"no dataset manifest {name!r}; there are {', '.join(datasets())}")
    return _facts(file, lambda text: _dataset(json.loads(text)))


def _dataset(facts: Mapping[str, Any]) -> Dataset:
    kt: dict[str, Any] = {key[3:]: value for key, value in facts.items() if key.startswith("kt:")}
    return Dataset(
        name=facts["name"],
        description=facts["description"],
        url=facts["url"],
        licence=facts["license"],
        access=kt["access"],
        terms=kt["terms"],
        size=kt["size"],
        layout=tuple(kt["layout"]),
        pairing=kt["pairing"],
        splits=kt["splits"],
        n_official=kt["n_official"],
        n_paper=tuple(Count(**count) for count in kt["n_paper"]),
        stand_in=kt["stand_in"],
        known_issues=tuple(kt["known_issues"]),
        unverified=tuple(kt["unverified"]),
        how_to_get=tuple(kt["how_to_get"]),
        downloads=tuple(Download(**one) for one in kt["downloads"]),
        where=kt["where"],
        present=tuple(Part(part["what"], tuple(part["any_of"]), part["count"]) for part in kt["present"]),
        checksums=kt["checksums"],
        verified=kt["verified"]["verified"],
        verified_by=kt["verified"]["source"],
    )


def datasets() -> list[str]:
    """Names of the described datasets."""
    return sorted(file.stem for file in (places.manifests() / "datasets").glob("*.json"))


def checkpoint(name: str) -> Checkpoint:
    """The entry of a checkpoint in `checkpoints.yaml`.

    Raises:
        KeyError: there is no such entry; the message names those there are.
    """
    entries = checkpoints()
    if name not in entries:
        raise KeyError(f"no checkpoint {name!r} in checkpoints.yaml; there are {', '.join(entries)}")
    return entries[name]


def checkpoints() -> dict[str, Checkpoint]:
    """Every described checkpoint by name.

    Raises:
        ValueError: the file is damaged.
    """
    return dict(_facts(places.manifests() / "checkpoints.yaml", _checkpoints))


def find(name: str) -> Dataset | Checkpoint:
    """What is described under a name, however its letters are written.

    Raises:
        ValueError: nothing is; the message names what comes near.
    """
    every = {key.casefold(): key for key in (*datasets(), *checkpoints())}
    if (one := every.get(name.strip().casefold())) is None:
        near = [every[key] for key in difflib.get_close_matches(name.casefold(), every, n=3)]
        hint = f"did you mean {', '.join(near)}? " if near else ""
        raise ValueError(f"expected a dataset or a checkpoint, found {name!r}; {hint}all: python -m ktlib data list")
    return dataset(one) if one in datasets() else checkpoint(one)


@functools.lru_cache(maxsize=1)  # by its content: reading YAML takes a tenth of a second
def _checkpoints(text: str) -> dict[str, Checkpoint]:
    entries = yaml.safe_load(text)
    frozen = {name: {k: tuple(v) if isinstance(v, list) else v for k, v in e.items()} for name, e in entries.items()}
    return {name: Checkpoint(**{"name": name, **facts}) for name, facts in frozen.items()}


def _facts(file: Path, read: Callable[[str], T]) -> T:
    """What a file of the repository says.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return read(tables.text(file))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(
            f"expected {file} as it is in the repository, found something else ({type(error).__name__}: "
            f"{' '.join(str(error).split())}); restore it: git checkout -- {file.name}"
        ) from error


def missing(
    datasets: Sequence[str] = (), checkpoints: Sequence[str] = (), *, calibration: bool = False
) -> list[Missing]:
    """What of these is not on this machine, all at once.

    Args:
        datasets: names of manifests, `flickr30k`; one named twice counts once.
        checkpoints: names of entries, `openai/ViT-B-32`; the same.
        calibration: whether the class names and the prompt behind the baselines of these checkpoints must be
            frozen (D8, D47).

    Returns:
        One entry for each absent thing, in the order of need.

    Raises:
        KeyError: there is no such manifest or entry.
    """
    gaps = [_missing_dataset(dataset(name)) for name in dict.fromkeys(datasets)]
    for name in dict.fromkeys(checkpoints):
        gaps += [missing_checkpoint(checkpoint(name)), *_missing_beside(checkpoint(name))]
    if calibration:
        gaps += [_missing_calibration(n) for n, one in CALIBRATIONS.items() if set(one.checkpoints) & set(checkpoints)]
    return [gap for gap in gaps if gap]


@dataclass(frozen=True)
class Calibration:
    """A choice of class names, prompt and pictures that must be frozen before anything is measured (D8, D47).

    Attributes:
        file: that holds it; absent until the cells were scored at paper scale.
        checkpoints: whose baselines it is chosen by.
    """

    file: Path
    checkpoints: tuple[str, ...]


CALIBRATIONS = {
    "clip": Calibration(MANIFESTS / "calibration.json", ("openai/ViT-B-32", "openai/ViT-L-14")),
    "zoom_shot": Calibration(MANIFESTS / "calibration_zoom_shot.json", ("openai/ViT-B-16",)),
    "vilt": Calibration(MANIFESTS / "calibration_vilt.json", ("dandelin/vilt-b32-mlm-itm",)),
}


def _missing_calibration(name: str) -> Missing | None:
    """The class names and prompt behind a baseline must be frozen before anything is measured (D8, D47)."""
    place = CALIBRATIONS[name].file
    if place.is_file():
        return None
    how = (f"once the datasets and checkpoints are there: python -m ktlib calibrate {name}   (on a GPU)",)
    expected = ("the class names and prompt nearest to the papers' ImageNet baselines, frozen",)
    return Missing(f"calibration of the class names ({name})", expected, "no such file", how, place)


def _missing_dataset(wanted: Dataset) -> Missing | None:
    folder = data_root() / wanted.where
    counts = [max(_count(folder, pattern) for pattern in part.any_of) for part in wanted.present]
    both = zip(wanted.present, counts, strict=True)
    gaps = [f"{count:,} of at least {part.count:,} {part.what}" for part, count in both if count < part.count]
    if not gaps:
        return None
    found = "; ".join(gaps) if folder.is_dir() else "no such folder"
    return Missing(f"dataset {wanted.name}", wanted.layout, found, wanted.steps, folder)


def missing_checkpoint(wanted: Checkpoint) -> Missing | None:
    """What there is to do when the weights are not on this machine; None when they are."""
    if wanted.file():
        return None
    found, get, how = "neither", f"python -m ktlib data get {wanted.name}", wanted.by_hand
    if wanted.by_hand:
        expected, found = f"a file that a person fetches; size: {wanted.size}", "no such file"
    elif wanted.hub is None:
        expected = f"{wanted.wanted} in torch's cache or at the path below; {wanted.size}"
        how = (get, f"or: curl --location --create-dirs --output {wanted.place} {wanted.url}")
    else:
        repository, file = wanted.hub["repository"], wanted.hub["file"]
        expected = f"{file} of {repository} in the hub's cache, or the file below; {wanted.size}"
        fetch = f"or: hf download {repository} {file}{hub.option(wanted.hub)}   (into the hub's cache)"
        how = (get, fetch, "or download the same file elsewhere and copy it to the path below")
    return Missing(f"checkpoint {wanted.name}", (expected,), found, how, wanted.place)


def _missing_beside(wanted: Checkpoint) -> list[Missing]:
    """Words and settings that the weights are of no use without, and that are loaded from the hub's cache."""
    gaps = []
    for one in wanted.also:
        if hub.cached(one) is None:
            fetch = f"or: hf download {one['repository']}{hub.option(one)} --include '*.json' '*.txt'"
            how = (f"python -m ktlib data get {wanted.name}", fetch)
            expected = (f"{one['file']} and what lies beside it in {one['repository']}, in the hub's cache",)
            gaps.append(Missing(f"words of {wanted.name}", expected, "not in the cache", how, Path(HF_HUB_CACHE)))
    return gaps


def _count(folder: Path, pattern: str) -> int:
    """How many files match; the last part of the pattern ignores case, as the readers do."""
    parent, _, name = pattern.rpartition("/")
    homes = folder.glob(parent) if parent else [folder]
    files = (file for home in homes if home.is_dir() for file in os.listdir(home))
    return sum(fnmatch(file.lower(), name.lower()) for file in files)
