"""Weights in files: the shipped ones and the published ones, whether they are whole, and how a file is read."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ktlib import places
from ktlib.data import hub, manifests
from ktlib.store import key

# One name a family; open_clip finds a model in a folder under either of its two.
CLIP, CAPTIONER = "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"
PAIR, ENCODER = "vilt_model.safetensors", "model.safetensors"
MEDCLIP, SAM = "medclip_model.safetensors", "sam_model.safetensors"
HERE = places.WEIGHTS
POINTER = b"version https://git-lfs"


# -- shipped ----------------------------------------------------------------------------------------
def shipped_names(kind: Any = None) -> list[str]:
    """The pocket models that ship with the repository, sorted by name within a family.

    Args:
        kind: of model, which knows what its weights are called; all by default.
    """
    files = (CLIP, CAPTIONER, MEDCLIP, PAIR, ENCODER, SAM) if kind is None else (kind.weights_file,)
    return [path.parent.name for file in files for path in sorted(HERE.glob(f"*/{file}"))]


def card(name: str) -> dict[str, Any]:
    """The model card of a pocket model (`card.json`): data, steps, minutes, scores, digests."""
    return json.loads((HERE / name / "card.json").read_text(encoding="utf-8"))


@functools.cache
def shipped(name: str) -> Path:
    """The folder of a pocket model, its digests checked once a process.

    Raises:
        ValueError: there is no such model.
        RuntimeError: the weights are damaged.
    """
    if name not in shipped_names():
        raise ValueError(f"expected a pocket model ({', '.join(shipped_names())}), found {name!r}")
    verify(HERE / name)
    return HERE / name


def verify(folder: Path) -> None:
    """Compare a model folder with the digests on its card.

    Raises:
        RuntimeError: a file is missing or is not the recorded one.
    """
    recorded = json.loads((folder / "card.json").read_text(encoding="utf-8"))["sha256"]
    for file, expected in recorded.items():
        found = digest(folder / file) if (folder / file).exists() else "no file"
        if found != expected:
            raise RuntimeError(
                f"{folder / file} is damaged: expected sha256 {expected[:16]}…, found {found[:16]}…; "
                f"restore it with `git checkout -- {file}` in that folder, or train it anew with "
                f"`python -m ktlib pocket train {folder.name} --replace`"
            )


# -- published --------------------------------------------------------------------------------------
def need(wanted: manifests.Checkpoint) -> None:
    """Refuse to go on without published weights where nothing may be downloaded.

    Raises:
        FileNotFoundError: they are not on this machine, and downloads are switched off (`places.offline`); it says how
            to get them.
    """
    if places.offline() and (gap := manifests.missing_checkpoint(wanted)):
        raise FileNotFoundError(str(gap))


def published(wanted: manifests.Checkpoint) -> Path:
    """The file of published weights; downloaded where it is not here and that is allowed.

    Raises:
        FileNotFoundError: as `need`; or there is no way to the publisher, or no such file.
        RuntimeError: it is another file than the publisher's, or a damaged one.
    """
    need(wanted)
    file = wanted.file()
    if file is None:
        file = _downloaded(wanted)
    if wanted.hub is None and wanted.sha256:  # the digest is that of the file behind the address
        verify_file(file, wanted.sha256)
    return file


def _downloaded(wanted: manifests.Checkpoint) -> Path:
    """The file of published weights, from the publisher."""
    try:
        if wanted.hub is not None:
            repository, file = wanted.hub["repository"], wanted.hub["file"]
            return Path(huggingface_hub.hf_hub_download(repository, file, revision=hub.pin(wanted.hub)))
        wanted.place.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(wanted.url, str(wanted.place), hash_prefix=wanted.sha256)
    except OSError as error:  # of the network, of the hub, of the disk
        gap = manifests.missing_checkpoint(wanted)
        raise FileNotFoundError(f"{gap or wanted.name}\n  tried it: {type(error).__name__}: {error}") from error
    return wanted.place


def verify_file(file: Path, prefix: str) -> None:
    """Compare a file with the sha256 its publisher states, or with as many digits as there are.

    Raises:
        RuntimeError: it is another file, or a damaged one.
    """
    found = digest(file)
    if not found.startswith(prefix):
        raise RuntimeError(f"{file} is damaged: expected sha256 {prefix}…, found {found[:8]}…; delete and download it")


# -- files and weights ------------------------------------------------------------------------------
def read(file: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU: safetensors, or a pickle of tensors and nothing that runs.

    Raises:
        FileNotFoundError, ValueError: as `reading`.
    """
    with reading(file):
        if file.suffix == ".safetensors":
            return load_file(file)
        try:
            found = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # the unpickler throws whatever a damaged file leads it to
            raise pickle.UnpicklingError(str(error)) from error
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()):
        kind = type(found).__name__ if not isinstance(found, Mapping) else f"{', '.join(map(str, list(found)[:3]))}, …"
        raise ValueError(f"expected tensors by name in {file}, found {kind}; save the model's state_dict alone")
    return dict(found)


@contextlib.contextmanager
def reading(file: Path) -> Iterator[None]:
    """Name the file and the true cause where weights cannot be read, whichever library reads them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a pointer of Git LFS, is damaged, or holds more than tensors.
        RuntimeError: it holds the weights of another model.
    """
    if not file.is_file():
        raise FileNotFoundError(f"expected weights in {file}, found {'a folder' if file.is_dir() else 'nothing'}")
    with file.open("rb") as begun:
        if begun.read(len(POINTER)) == POINTER:
            raise ValueError(
                f"expected weights in {file}, found a pointer of Git LFS in their place; fetch them: git lfs pull"
            )
    try:
        yield
    except pickle.UnpicklingError:  # torch's own message says how to switch the safety off
        raise ValueError(
            f"expected a pickle of tensors in {file}, found one that is damaged or holds more; nothing of it was run: "
            "fetch it again, or take the publisher's safetensors"
        ) from None
    except (SafetensorError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"expected weights in {file}, found a damaged file ({error}); fetch it again") from error
    except RuntimeError as error:
        if "PytorchStreamReader" not in str(error):
            what = " ".join(str(error).split())
            raise RuntimeError(f"expected the weights of this model in {file}, found others: {what}") from error
        raise ValueError(f"expected weights in {file}, found a damaged file; fetch it again") from error


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Name the file, or at least the folder, where a user's model cannot be read, whichever library reads it.

    Raises:
        FileNotFoundError: there is no such folder, or a file that its model needs.
        ValueError: a file of it is damaged, or its files make no model.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"expected a model's folder at {folder}, found {'a file' if folder.exists() else 'nothing'}"
        )
    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(file.read_bytes().decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected JSON in {file}, found something else ({error}); fetch it again") from error
    for file in sorted(folder.glob("*.safetensors")):
        with reading(file), safe_open(file, "pt"):
            pass  # its head is read, and its length
    try:
        yield
    except Exception as error:  # libraries throw whatever a damaged description leads them to
        if isinstance(error, ValueError | FileNotFoundError) and str(folder) in str(error):
            raise
        raise ValueError(
            f"expected a model that can be built in {folder}, found {type(error).__name__}: "
            f"{' '.join(str(error).split())}; a file is damaged or of another model: fetch the folder again"
        ) from error


def fill(network: nn.Module, state: Mapping[str, Tensor], *, name: str, parts: str, hint: str) -> None:
    """Load weights that are all there, and none too many: nothing is left random.

    Args:
        network: filled in place.
        state: under the names of the network.
        name: of the model, for the message.
        parts: what the weights are of.
        hint: where the right ones are.

    Raises:
        ValueError: a weight is missing, unknown or of another shape.
    """
    expected = network.state_dict()
    missing, strange = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    other = sorted(key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape)
    if missing or strange or other:
        found = f"missing: {some(missing)}; unknown: {some(strange)}"
        found += f"; of another shape: {some(other)}" if other else ""
        raise ValueError(f"{name}: expected the weights of {parts}; {found}. {hint}")
    network.load_state_dict(state)


def some(names: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") if names else "none"


def digest(path: Path) -> str:
    """sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(model: Any) -> str:
    """16 digits of all that a model computes with: what is remembered of one model is never taken for another's.

    `digest` tells weights apart. The same weights with another activation, normalisation, size or vocabulary are
    another model, and so is another kind of adapter around them.

    Args:
        model: any that has a `digest`.
    """
    facts = {
        name: getattr(model, name, None) for name in ("image_size", "context_length", "closed", "padding", "ensemble")
    }
    pixels = [getattr(model, name, None) for name in ("mean", "std")]
    structure = repr(model) if isinstance(model, nn.Module) else ""
    config: Any = getattr(model, "config", None)
    sizes = repr(sorted(config.to_dict().items())) if hasattr(config, "to_dict") else ""
    words = _words(getattr(model, "tokenizer", None))
    return key(type(model).__name__, model.digest(), facts, pixels, structure, sizes, words)[:16]


def _words(tokenizer: Any) -> str:
    """A digest of what a tokenizer knows, where it says."""
    inner = getattr(tokenizer, "tokenizer", tokenizer)  # open_clip wraps those of transformers
    backend = getattr(inner, "backend_tokenizer", None)
    if backend is not None:
        return key(backend.to_str())
    words = inner.get_vocab() if hasattr(inner, "get_vocab") else getattr(inner, "encoder", {})
    return key(type(inner).__name__, sorted(words.items()))


def weights_digest(network: nn.Module, *parts: object) -> str:
    """sha256 of all weights, as float16 so that stored and computed halves agree; first 16 digits.

    Args:
        network: its `state_dict` is what counts.
        parts: whatever else tells two models apart.
    """
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().half().contiguous().numpy().tobytes())
    for part in parts:
        found.update(repr(part).encode())
    return found.hexdigest()[:16]
