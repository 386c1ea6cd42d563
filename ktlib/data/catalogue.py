"""`python -m ktlib data`: what there is, what is wrong with it, and how to get it.

Datasets and checkpoints alike, by the names of their manifests. No other command fetches anything.
"""

from __future__ import annotations

import datetime
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import yaml

from ktlib import places, store
from ktlib.data import fetch, hub, images, manifests
from ktlib.data.manifests import Checkpoint, Dataset, Missing

# What a reader is told of a field, where its own name does not say it; a field without an entry has its name.
LABELS = {
    "url": "where it is published",
    "terms": "terms, in plain words",
    "layout": "files, below the folder of data",
    "pairing": "what joins a picture to its label or mask",
    "stand_in": "what is drawn in its place at pocket scale",
    "n_official": "items to measure on, as its makers state",
    "n_paper": "items, as the papers state or their numbers imply",
    "how_to_get": "how to get it",
    "where": "folder",
    "present": "what is looked for",
    "checksums": "digests",
    "verified_by": "how it was verified",
    "unverified": "what nobody has verified yet",
    "hub": "file on the hub",
    "size": "size, as far as anybody states it",
    "also": "small files of the hub that it needs too",
    "recorded": "digests that others recorded, for its publisher states none",
    "sha256": "sha256, as its publisher states it",
    "by_hand": "how to get it",
    "loaded": "loaded by code here",
    "revision": "which version is meant",
    "library": "library, and what it calls the model",
    "splits": "splits, and their items",
    "downloads": "what `data get` downloads",
    "embedding_size": "width of the features",
    "context_length": "longest text, in tokens",
    "mean": "mean of the pixels",
    "std": "spread of the pixels",
}
NOTHING: tuple[object, ...] = (None, (), [], {}, "")  # facts that are not shown
UNPUBLISHED = "unverified: not published"
UNPINNED = "unpinned: the newest is taken"
SHOWN = 5  # offending files that are named
# Pictures that are decoded unless all are asked for: seconds, and three bad in a hundred are all but surely seen.
SAMPLE = 200
PROGRESS = 5_000  # decoded pictures from one line to the next
DECODED = (".jpg", ".jpeg", ".png", ".webp")
SIZES = {".img": 2048 * 2048 * 2}  # of files without a head: JSRT's films
# What a file begins with. Some of Oxford's .jpg are PNG, GIF or BMP, and one of ImageNet's is a PNG.
_PICTURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"RIFF")
HEADS = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp"), _PICTURES),
    **dict.fromkeys((".gz", ".tgz"), (b"\x1f\x8b",)),
    ".zip": (b"PK",),
    ".xlsx": (b"PK",),
    ".mat": (b"MATLAB", b"\x89HDF"),
}
ARCHIVES = (".zip", ".tar", ".tgz", ".gz")


def absent(one: Dataset | Checkpoint) -> list[Missing]:
    """What is not there of it."""
    return manifests.missing((), (one.name,)) if isinstance(one, Checkpoint) else manifests.missing((one.name,))


def listing() -> str:
    """One line each: the name, whether it is there, and how it is got."""
    named: list[Dataset | Checkpoint] = [manifests.dataset(name) for name in manifests.datasets()]
    named += manifests.checkpoints().values()
    lines = [(one.name, _state(one), _way(one)) for one in named]
    width = [max(len(line[part]) for line in lines) for part in (0, 1)]
    rows = [f"{name:{width[0]}}  {state:{width[1]}}  {way}" for name, state, way in lines]
    return "\n".join([*rows, "", "python -m ktlib data show NAME says all that is known of one"])


def _state(one: Dataset | Checkpoint) -> str:
    if isinstance(one, Checkpoint) and not one.loaded:
        return "not used"
    return "missing" if absent(one) else "there"


def _way(one: Dataset | Checkpoint) -> str:
    if isinstance(one, Checkpoint):
        return f"by hand; {one.size}" if one.by_hand else f"python -m ktlib data get {one.name}; {one.size}"
    return one.way


def show(name: str) -> str:
    """All that a manifest says, with what is not verified, under labels that a reader understands."""
    one = manifests.find(name)
    facts: dict[str, Any] = dict(vars(one))
    facts["access"] = f"{one.access}: {manifests.ACCESS[one.access]}"
    if isinstance(one, Checkpoint):
        facts["sha256"] = f"{one.sha256}: of the file behind the address above" if one.sha256 else UNPUBLISHED
        facts["hub"] = one.hub and revised(one.hub)
        facts["also"] = [revised(each) for each in one.also]
        facts["by_hand"] = one.by_hand or f"python -m ktlib data get {one.name}"
        facts |= {key: ", ".join(f"{value:g}" for value in getattr(one, key)) for key in ("mean", "std")}
        facts["place"] = f"{one.place}, or the cache of the hub or of torch" if one.loaded else ""
        facts["on this machine"] = here(one)
    else:
        facts["n_paper"] = [f"{n.n:,} {n.of} ({n.basis}): {n.source}" for n in one.n_paper]
        facts["present"] = [f"at least {part.count:,} {part.what}: {' or '.join(part.any_of)}" for part in one.present]
        facts["how_to_get"] = one.steps
        facts["downloads"] = [download.url for download in one.downloads]
        facts["checksums"] = {file: dict(entry) for file, entry in one.checksums.items()}
        facts["where"] = str(manifests.data_root() / one.where) if one.present else "nothing on disk"
    facts["verified"] = "yes" if one.verified else f"NO: see `{LABELS['unverified']}`"
    told = {LABELS.get(key, key.replace("_", " ")): said for key, said in facts.items() if said not in NOTHING}
    plain = json.loads(json.dumps(told, default=list))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110).rstrip()


def revised(one: Mapping[str, str]) -> dict[str, str]:
    """A file of the hub with its revision, or that none is pinned."""
    return {**one, "revision": one.get("revision", UNPINNED)}


def here(one: Checkpoint) -> str:
    """Which weights of a checkpoint are on this machine, and of which revision, as far as that is known."""
    file = one.file()
    if file is None:
        return "nothing"
    revision = hub.commit(file)
    told = f", revision {revision}" if revision else ""
    return f"{file}{told}" + (f"; {one.record} says what came" if one.record.is_file() else "")


# -- check --------------------------------------------------------------------------------------------
def check(name: str, *, whole: bool = False, say: Callable[[str], object] = lambda _: None) -> list[str]:
    """What is wrong with what is on this machine: the first offending files, and the layout that is expected.

    Every file is looked at from outside: what it begins with, how long it is. Of the pictures `SAMPLE` are decoded,
    spread evenly over their sorted names. Whether a picture is the published one nobody can say.

    Args:
        name: of a dataset or checkpoint.
        whole: decode every picture, which takes as long as reading the dataset once.
        say: is told how far it is.

    Returns:
        Lines; none when all is well.
    """
    one = manifests.find(name)
    problems = [str(gap) for gap in absent(one)]
    if isinstance(one, Checkpoint):
        file = one.file()
        return problems + ([] if file is None else weights(one, file))
    if not one.present:
        return problems
    folder = manifests.data_root() / one.where
    offences: dict[Path, str] = {}
    pictures: list[Path] = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if said := _offence(path, one):
            offences[path] = said
        elif path.suffix.lower() in DECODED and path.is_file() and not path.name.startswith("._"):
            pictures.append(path)
    offences |= _undecodable(pictures if whole else _spread(pictures), len(pictures), say)
    count = len(offences)
    found = [f"  {path.relative_to(folder)}: {offences[path]}" for path in sorted(offences)[:SHOWN]]
    for part in sorted(_downloads().glob("*.part")):
        if part.name.removesuffix(".part") in [download.name for download in one.downloads]:
            count, found = count + 1, [*found, f"  {part}: half downloaded; python -m ktlib data get {name} goes on"]
    if found:
        more = f", the first {SHOWN} of which are" if count > SHOWN else ""
        problems.append("\n".join([f"{count:,} offending files in {folder}{more}:", *found]))
        if not absent(one):
            problems.append("expected layout:\n  " + "\n  ".join(one.layout))
    return problems


def _offence(path: Path, one: Dataset) -> str:
    """What is wrong with a file, seen from outside; empty when nothing is."""
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    if not path.is_file():
        return ""
    size, kind = path.stat().st_size, path.suffix.lower()
    if size == 0:
        return "empty"
    if kind in SIZES and size != SIZES[kind]:
        return f"expected {SIZES[kind]:,} bytes, found {size:,}"
    with path.open("rb") as file:
        head = file.read(132)
    if kind == ".dcm":
        return "" if head[128:132] == b"DICM" else "expected a DICOM file, found something else"
    if kind in HEADS and not head.startswith(HEADS[kind]):
        page = head.lstrip().lower().startswith((b"<!doctype", b"<html"))
        told = " (a web page that was saved in its place)" if page else ""
        return f"expected a {kind} file, found one that begins with {head[:4]!r}{told}"
    if kind in ARCHIVES and path.name in one.checksums:
        return _digests(path, one)
    return ""


def _spread(pictures: list[Path]) -> list[Path]:
    """At most `SAMPLE` of them, the first and the last among them."""
    if len(pictures) <= SAMPLE:
        return pictures
    return [pictures[n * (len(pictures) - 1) // (SAMPLE - 1)] for n in range(SAMPLE)]


def _undecodable(chosen: list[Path], count: int, say: Callable[[str], object]) -> dict[Path, str]:
    """The pictures that cannot be decoded, and why."""
    wrong = {}
    for number, path in enumerate(chosen, 1):
        try:
            images.decoded(path)
        except (ValueError, OSError) as error:
            wrong[path] = f"cannot be decoded: {error}"
        if number % PROGRESS == 0:
            say(f"  decoded {number:,} of {len(chosen):,} pictures")
    if chosen:
        more = "" if len(chosen) == count else f" of {count:,}, spread evenly; --all decodes every one"
        say(f"decoded {len(chosen):,} pictures{more}")
    return wrong


def _digests(path: Path, one: Dataset) -> str:
    for kind, expected in one.checksums[path.name].items():
        if kind in ("md5", "sha256") and (found := fetch.digest(path, kind)) != expected:
            return f"expected {kind} {expected}, found {found}: half downloaded, or another file"
    return ""


def weights(one: Checkpoint, file: Path) -> list[str]:
    """What is wrong with a file of weights, seen from outside; whose they are the loader sees by their keys."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
    if file.suffix == ".safetensors":
        try:
            (length,) = struct.unpack("<Q", head)
            with file.open("rb") as stream:
                stream.seek(8)
                named = json.loads(stream.read(length)) if length < size else {}
            ends = [int(entry["data_offsets"][1]) for key, entry in named.items() if key != "__metadata__"]
        except (struct.error, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            ends = []
        if not ends or 8 + length + max(ends) != size:
            lacking = f"{8 + length + max(ends):,} bytes" if ends else "a head that names tensors"
            return [f"{file}: expected a safetensors file with {lacking}, found {size:,} bytes; get it again"]
    elif file.suffix in (".bin", ".pth", ".pt", ".zip") and not head.startswith((b"PK", b"\x80\x02")):
        return [f"{file}: expected weights saved by torch, found a file that begins with {head[:4]!r}; get it again"]
    behind_url = one.hub is None or file.name == one.url.rsplit("/", 1)[-1]
    published = one.sha256 if behind_url else None
    blob = file.resolve().name  # the hub's cache calls a large file by its sha256
    published = published or (blob if len(blob) == 64 and file.is_symlink() else None)
    if published and not (found := fetch.digest(file, "sha256")).startswith(published):
        return [f"{file}: expected sha256 {published}, found {found}: half downloaded, or other weights; get it again"]
    told = (one.recorded or {}).get("sha256") if behind_url and not published else None
    if told and (found := fetch.digest(file, "sha256")) != told:
        return [
            f"{file}: expected sha256 {told}, which others recorded (its publisher states none), found {found}: half "
            "downloaded, or the publisher has changed it; get it again, and if that brings the same, it is a new file"
        ]
    return []


# -- get ----------------------------------------------------------------------------------------------
def _downloads() -> Path:
    return manifests.data_root() / "downloads"


def get(name: str, *, say: Callable[[str], object] = print, **patience: Any) -> bool:
    """Download what is open; where a person is needed, say what to do.

    Args:
        name: of a dataset or checkpoint.
        say: is told what happens.
        **patience: `attempts`, `patience` and `pause` of `fetch.download`.

    Returns:
        Whether all of it is there now.

    Raises:
        ValueError, ConnectionError, PermissionError: as `fetch.download` and `fetch.extract`.
    """
    one = manifests.find(name)
    if not absent(one):
        say(f"{name} is there; python -m ktlib data check {name} looks at it")
        return True
    if isinstance(one, Checkpoint):
        _get_checkpoint(one, say, patience)
    elif one.downloads:
        _get_dataset(one, say, patience)
    else:
        say(f"{name} is to be fetched by hand ({manifests.ACCESS[one.access]}), by the steps below. {one.terms}")
    gaps = absent(one)
    for gap in gaps:
        say(str(gap))
    if not gaps:
        say(f"{name} is there")
    return not gaps


def _get_dataset(one: Dataset, say: Callable[[str], object], patience: dict[str, Any]) -> None:
    say(f"{one.name}: {one.licence} {one.terms}")
    for download in one.downloads:
        into, known = manifests.data_root() / download.into, one.checksums.get(download.name, {})
        digests = {kind: value for kind, value in known.items() if kind in ("md5", "sha256")}
        receipt = _downloads() / f"{download.name}.done"
        if _unpacked(receipt, into):
            say(f"  {download.name} was unpacked before")
            continue
        if not digests:
            say(f"  {download.name}: its publisher states no digest, so only its own form can be checked")
        place = _downloads() / download.name if download.extract else into / download.name
        fetch.download(download.url, place, digests=digests, say=say, **patience)
        if download.extract:
            files = fetch.extract(place, into)
            say(f"  {len(files):,} files are in {into}")
            store.write_text(receipt, json.dumps({"url": download.url, "files": [str(file) for file in files]}))
            place.unlink()  # twice the disk otherwise


def _unpacked(receipt: Path, into: Path) -> bool:
    """Whether all that an archive held is still there; another archive of the same set may be what is lacking."""
    try:
        files = json.loads(receipt.read_text(encoding="utf-8"))["files"]
        return all((into / file).is_file() for file in files)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _get_checkpoint(one: Checkpoint, say: Callable[[str], object], patience: dict[str, Any]) -> None:
    say(f"{one.name}: {one.licence}; {one.size}")
    if one.by_hand:
        say("it is to be fetched by hand, by the steps below")
        return
    if places.offline():
        raise PermissionError(
            f"expected leave to fetch {one.name}, found HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE set; "
            "unset both and try again"
        )
    try:
        if one.file() is None and one.hub is not None:
            wanted = one.hub["repository"], one.hub["file"]
            _note(one, Path(huggingface_hub.hf_hub_download(*wanted, revision=hub.pin(one.hub))), say)
        elif one.file() is None:
            digests = {"sha256": one.sha256} if one.sha256 else {}
            _note(one, fetch.download(one.url, one.place, digests=digests, say=say, **patience), say)
        for beside in one.also:
            files = ["*.json", "*.txt"]
            repository, revision = beside["repository"], hub.pin(beside)
            huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=files)
    except huggingface_hub.errors.HfHubHTTPError as error:
        raise ConnectionError(f"expected {one.name} from the hub, found: {error}; what has come is kept") from error
    if (file := one.file()) is not None and (wrong := weights(one, file)):
        raise ValueError(wrong[0])


def _note(one: Checkpoint, file: Path, say: Callable[[str], object]) -> None:
    """Say which file came, and write it down beside the place of the checkpoint."""
    revision = hub.commit(file)
    source = f"{one.hub['file']} of {one.hub['repository']}" if one.hub else one.url
    known = {
        "from": source,
        "revision": revision,
        "sha256": fetch.digest(file, "sha256"),
        "date": datetime.date.today().isoformat(),
    }
    one.record.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(one.record, json.dumps(known, indent=2) + "\n")
    pinned = "pinned" if one.hub and "revision" in one.hub else "unpinned"
    say(f"  {source}: " + (f"revision {revision} ({pinned})" if revision else f"sha256 {known['sha256']}"))
    say(f"  written down in {one.record}")
