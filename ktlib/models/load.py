"""One loader: a model by its name, whatever it is."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, TypeVar, overload

import open_clip
import torch
from transformers import AutoTokenizer, ViltConfig

from ktlib.data import hub, manifests
from ktlib.models import architectures, checkpoints, coca, medclip, sam, vilt, vision
from ktlib.models.coca import Captioner
from ktlib.models.dual import DualEncoder, from_open_clip
from ktlib.models.medclip import MedCLIP
from ktlib.models.sam import Segmenter
from ktlib.models.vilt import PairScorer
from ktlib.models.vision import VisionEncoder

Model = DualEncoder | Captioner | MedCLIP | PairScorer | VisionEncoder | Segmenter
Kind = type[DualEncoder] | type[Captioner] | type[MedCLIP] | type[PairScorer] | type[VisionEncoder] | type[Segmenter]
M = TypeVar("M", DualEncoder, Captioner, MedCLIP, PairScorer, VisionEncoder, Segmenter)

KINDS: tuple[Kind, ...] = (DualEncoder, Captioner, MedCLIP, PairScorer, VisionEncoder, Segmenter)
# The papers' checkpoints under short names. The `-quickgelu` architectures are the ones these
# weights were trained with; open_clip would otherwise build GELU and only warn (3.3.0).
PUBLISHED = {
    "openai/ViT-B-32": "ViT-B-32-quickgelu",
    "openai/ViT-B-16": "ViT-B-16-quickgelu",
    "openai/ViT-L-14": "ViT-L-14-quickgelu",
}
CAPTIONERS = {"laion/coca-ViT-L-14": "coca_ViT-L-14", "laion/coca-ViT-L-14-mscoco": "coca_ViT-L-14"}
# On the hub, whose file says how the towers are put together.
HUB = {"microsoft/BiomedCLIP": "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"}
RANDOM_COCA = {"random/coca-ViT-L-14": "coca_ViT-L-14"}
RANDOM_VILT, RANDOM_MEDCLIP, RANDOM_SAM = "random/vilt-b32", "random/medclip", "random/sam-vit-b"
LOCAL = "local-dir:"  # and a folder
WORDS = "vilt-b"  # the shipped model whose words the random ones borrow


def available(kind: Kind | None = None) -> list[str]:
    """Names that `load` takes: pocket models, published ones, and random weights at published size.

    Args:
        kind: `DualEncoder`, `Captioner`, `MedCLIP`, `PairScorer`, `VisionEncoder` or `Segmenter`; all by
            default. For the first two every architecture of open_clip is a name too.
    """
    return [name for family in (KINDS if kind is None else (kind,)) for name in _names(family)]


def _names(kind: Kind) -> list[str]:
    others = {
        DualEncoder: [*PUBLISHED, *HUB, *(f"random/{name.removeprefix('openai/')}" for name in PUBLISHED)],
        Captioner: [*CAPTIONERS, *RANDOM_COCA],
        MedCLIP: [medclip.PUBLISHED, RANDOM_MEDCLIP],
        PairScorer: [vilt.PUBLISHED, RANDOM_VILT],
        VisionEncoder: [*vision.HEADS, *(f"random/{name}" for name in vision.HEADS)],
        Segmenter: [sam.PUBLISHED, RANDOM_SAM],
    }
    return [*(f"pocket/{name}" for name in checkpoints.shipped_names(kind)), *others[kind]]


@overload
def load(name: str, kind: type[M], *, weights: str | Path | None = None) -> M: ...
@overload
def load(name: str, kind: None = None, *, weights: str | Path | None = None) -> Model: ...
def load(name: str, kind: Any = None, *, weights: str | Path | None = None) -> Model:
    """A model by name, ready to use: float32, evaluation mode, frozen, on the CPU.

    CLIP as a source of features is `VisionEncoder.of(load(...))`.

    Args:
        name: `pocket/clip-b` (ours, shipped), `openai/ViT-B-32` (published weights), `random/ViT-B-32`
            (the same architecture with random weights, seed 0), `local-dir:` and a folder, or any
            open_clip architecture, or its `hf-hub:` names. `available` lists the rest.
        kind: as in `available`: a model of another kind is refused (a `Captioner` and a `MedCLIP`
            are `DualEncoder`s too). Whatever has that name by default.
        weights: a tag (`laion2b_s34b_b79k`) or a file, for an open_clip architecture or a published encoder.

    Raises:
        ValueError: no such model (the message lists the nearest names), one of another kind, a checkpoint
            without its heads, weights for a model that has its own, or a folder that holds none that can be read.
        FileNotFoundError: published weights that are not here, and downloads are switched off; no such folder.
        RuntimeError: damaged weights, or a key that is missing or unknown.
    """
    if not isinstance(name, str):
        raise ValueError(f"expected a model's name, found {name!r}; for a folder write '{LOCAL}{name}'")
    if name.startswith(LOCAL):
        with checkpoints.in_folder(Path(name.removeprefix(LOCAL))):
            return _load(name, kind, weights)
    return _load(name, kind, weights)


def _load(name: str, kind: Any, weights: str | Path | None) -> Model:
    found = _kind_of(name, kind)
    if kind is not None and not issubclass(found, kind):
        of_clip = kind is VisionEncoder and issubclass(found, DualEncoder)
        hint = f"take VisionEncoder.of(load({name!r}))" if of_clip else "ask for that, or leave the kind out"
        raise ValueError(f"expected a {kind.__name__}, found {name}, which is a {found.__name__}; {hint}")
    own = name.startswith(("pocket/", "random/")) or found in (MedCLIP, PairScorer, Segmenter)
    if weights is not None and (own or (found is VisionEncoder and name.startswith(LOCAL))):
        raise ValueError(f"expected no weights for {name}, which has its own, found {weights}")
    if weights is not None and found in (DualEncoder, Captioner):
        _check_weights(name, weights)
    if found is DualEncoder:
        return _dual_encoder(name, weights)
    if found is Captioner:
        return _captioner(name, weights)
    if found is MedCLIP:
        return _medclip(name)
    if found is Segmenter:
        return _segmenter(name)
    return _pair_scorer(name) if found is PairScorer else _vision_encoder(name, weights)


def _check_weights(name: str, weights: str | Path) -> None:
    """Refuse what is neither a file nor a tag of an architecture of open_clip."""
    architecture = PUBLISHED.get(name, CAPTIONERS.get(name, name))
    if not Path(weights).is_file() and str(weights) not in (
        tags := open_clip.list_pretrained_tags_by_model(architecture)
    ):
        raise ValueError(
            f"expected a file, or one of {name}'s tags ({', '.join(tags) or 'it has none'}), found {str(weights)!r}"
        )


def _kind_of(name: str, kind: Kind | None) -> Kind:
    for family in KINDS:
        if name in _names(family):
            return family
    if name.startswith(LOCAL):
        return _kind_of_folder(Path(name.removeprefix(LOCAL)))
    if name.startswith("hf-hub:"):  # what it is stands on the hub: it is taken for what is asked for
        return Captioner if kind is Captioner else DualEncoder
    if name in open_clip.list_models():
        return Captioner if _writes(open_clip.get_model_config(name) or {}) else DualEncoder
    known = available(kind) + (open_clip.list_models() if kind in (None, DualEncoder) else [])
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or available(kind)
    what = "model" if kind is None else kind.__name__
    raise ValueError(f"expected the name of a {what}, found {name!r}; did you mean {', '.join(near)}?")


def _kind_of_folder(folder: Path) -> Kind:
    """By what describes it: `config.json` of transformers or of ours; open_clip has a file of its own."""
    described, by_open_clip = folder / "config.json", folder / "open_clip_config.json"
    if by_open_clip.exists():
        return (
            Captioner
            if _writes(json.loads(by_open_clip.read_text(encoding="utf-8")).get("model_cfg", {}))
            else DualEncoder
        )
    if not described.exists():
        return DualEncoder
    by_type: dict[str | None, Kind] = {"vilt": PairScorer, "medclip": MedCLIP, "sam": Segmenter}
    return by_type.get(json.loads(described.read_text(encoding="utf-8")).get("model_type"), VisionEncoder)


def _writes(config: dict[str, Any]) -> bool:
    """Whether open_clip's description of a model is that of a CoCa with a text tower of open_clip's own."""
    return "multimodal_cfg" in config and "hf_model_name" not in config["text_cfg"]


def _folder(name: str) -> Path | None:
    """The folder that a name stands for; None where it stands for something else."""
    if name.startswith("pocket/"):
        return checkpoints.shipped(name.removeprefix("pocket/"))
    return Path(name.removeprefix(LOCAL)) if name.startswith(LOCAL) else None


def _dual_encoder(name: str, weights: str | Path | None) -> DualEncoder:
    if (folder := _folder(name)) is not None and weights is None:
        return from_open_clip(f"local-dir:{folder}", name=name, kind=DualEncoder)
    if name.startswith("random/"):
        return from_open_clip(PUBLISHED[f"openai/{name.removeprefix('random/')}"], name=name, kind=DualEncoder)
    if name in PUBLISHED:
        file = weights or checkpoints.published(manifests.checkpoint(name))
        return from_open_clip(PUBLISHED[name], pretrained=str(file), name=name, kind=DualEncoder)
    if name in HUB and weights is None:
        checkpoints.need(manifests.checkpoint(name))
    whole = HUB.get(name, name)
    return from_open_clip(whole, pretrained=None if weights is None else str(weights), name=name, kind=DualEncoder)


def _captioner(name: str, weights: str | Path | None) -> Captioner:
    if (folder := _folder(name)) is not None and weights is None:
        return from_open_clip(f"local-dir:{folder}", name=name, kind=Captioner)
    if name.startswith("hf-hub:"):
        return from_open_clip(name, name=name, kind=Captioner)
    if name in CAPTIONERS:
        file = weights or checkpoints.published(manifests.checkpoint(name))
        return from_open_clip(CAPTIONERS[name], pretrained=str(file), name=name, kind=Captioner)
    architecture = RANDOM_COCA.get(name, name)
    if weights is None:
        return coca.random(architecture, name=name)
    return from_open_clip(architecture, pretrained=str(weights), name=name, kind=Captioner)


def _medclip(name: str) -> MedCLIP:
    if (folder := _folder(name)) is not None:
        return medclip.from_folder(folder, name=name)
    if name == RANDOM_MEDCLIP:
        return medclip.random(AutoTokenizer.from_pretrained(checkpoints.shipped(WORDS)), name=name)
    file, words = checkpoints.published(manifests.checkpoint(name)), _tokenizer(name)
    return medclip.from_state(medclip.read(file), *medclip.published_sizes(), words, name=name, closed=False)


def _segmenter(name: str) -> Segmenter:
    if (folder := _folder(name)) is not None:
        return sam.from_folder(folder, name=name)
    if name == RANDOM_SAM:
        return sam.random(sam.config(**sam.SIZES["base"]), name=name)
    file = checkpoints.published(manifests.checkpoint(name))
    return sam.from_state(checkpoints.read(file), sam.config(**sam.SIZES["huge"]), name=name)


def _pair_scorer(name: str) -> PairScorer:
    if (folder := _folder(name)) is not None:
        return vilt.from_folder(folder, name=name)
    if name == RANDOM_VILT:  # the pocket's words, and no error for any other: only the number of tokens matters
        words = AutoTokenizer.from_pretrained(checkpoints.shipped(WORDS))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # transformers initialises from the global generator
            model = PairScorer(ViltConfig(), words, name=name, closed=False)
        return model.requires_grad_(False).eval()
    file, words = checkpoints.published(manifests.checkpoint(name)), _tokenizer(name)
    # ViltConfig's defaults are the published sizes.
    return vilt.from_state(checkpoints.read(file), ViltConfig(), words, name=name, closed=False)


def _tokenizer(name: str) -> Any:
    """The words of a published model whose file has none.

    Raises:
        FileNotFoundError: they are not on this machine, and downloads are switched off.
    """
    (words,) = manifests.checkpoint(name).also
    repository = words["repository"]
    try:
        return AutoTokenizer.from_pretrained(repository, revision=hub.pin(words))
    except OSError as error:
        raise FileNotFoundError(
            f"expected the tokenizer of {repository} in the hub's cache, found none; get it: python -m ktlib data get "
            f"{name}"
        ) from error


def _vision_encoder(name: str, weights: str | Path | None) -> VisionEncoder:
    if (folder := _folder(name)) is not None:
        network, described = architectures.read(folder)
        facts = {key: described[key] for key in ("image_size", "dim", "mean", "std")}
        return VisionEncoder(network.requires_grad_(False), name=name, **facts)
    wanted = manifests.checkpoint(name.removeprefix("random/"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # timm and torchvision initialise from the global generator
        network = vision.build(wanted)
    if not name.startswith("random/"):
        vision.fill(network, name, checkpoints.published(wanted) if weights is None else Path(weights))
    return VisionEncoder(
        network.requires_grad_(False),
        name=name,
        image_size=wanted.image_size,
        dim=wanted.embedding_size,
        mean=wanted.mean,
        std=wanted.std,
    )
