"""What notebook 06 works with: features of everything, maps trained on them, and what each map answers.

Nothing here is specific to a scale. Features are extracted once (`ktlib.extract`). What a map answers on
every test image is remembered by the digest of everything it depends on, so a killed run goes on where it
stopped, and two methods can be compared image by image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ktlib import places, store
from ktlib.companion.cells import mapped
from ktlib.companion.record import baselines
from ktlib.companion.scales import Scale
from ktlib.companion.sources import Sets, sets
from ktlib.data.sets import LabelledImages
from ktlib.evaluate.features import extract
from ktlib.linear_maps import Maps, least_squares
from ktlib.models import DualEncoder, VisionEncoder, load
from ktlib.models.checkpoints import fingerprint
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings, align, fit_many

_VERSION = 1  # raise it when the same settings give other answers
TRAIN = "ImageNet"  # what a map is trained on unless a test set is named
RAW = "raw pixels"  # CLIP given pixels that were never normalised, as the Linear Aligner's code does
IMAGES, TEXTS = "h", "h_inv"  # what is mapped: image features by h, or text features by h⁻¹


@dataclass(frozen=True)
class Answers:
    """Which images of which set were named right, by each seed's map.

    Attributes:
        encoder: whose features were mapped.
        hits: for `(direction, set)` one row a seed, one column an image.
        parts: what they depend on beside the laboratory; part of the rows' settings digest.
        alike: nothing is random: the one row stands for every seed.
    """

    encoder: str
    hits: Mapping[tuple[str, str], Bool[Tensor, "seeds images"]]
    parts: tuple[object, ...]
    alike: bool = False

    def accuracy(self, names: Iterable[str], direction: str = IMAGES) -> float:
        """Mean top-1 accuracy over sets and seeds, a fraction."""
        return fmean(self.hits[direction, name].float().mean().item() for name in names)


@dataclass(frozen=True)
class Laboratory:
    """Features of everything, and what to do with them.

    Attributes:
        scale: whose settings, shares and seeds.
        sets: whose pictures.
        clip: name of the model whose space is the target.
        encoders: names, in the order of ZS Tab. 1.
        features: for `(encoder, set)` its features, float16.
        texts: for each set CLIP's text feature of every class, not normalised; and of the prompts.
        weights: digest of each model.
        cache: where answers are kept.
        fingerprints: of each model, part of the key of its answers; by default its digest.
    """

    scale: Scale
    sets: Sets
    clip: str
    encoders: tuple[str, ...]
    features: Mapping[tuple[str, str], Float[Tensor, "images dim"]]
    texts: Mapping[str, Float[Tensor, "classes clip"]]
    prompts: Float[Tensor, "prompts clip"]
    weights: Mapping[str, str]
    cache: Path
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def examined(self) -> dict[str, LabelledImages]:
        """Test and validation sets by name."""
        return self.sets.tests | self.sets.validation

    @cached_property
    def labels(self) -> dict[str, Tensor]:
        """The labels of each of them."""
        return {name: torch.tensor(images.labels) for name, images in self.examined.items()}

    def share(self, share: float) -> list[Tensor]:
        """For each seed the training images that are its share of all."""
        count = len(self.features[self.clip, TRAIN])
        orders = [torch.randperm(count, generator=torch.Generator().manual_seed(10_000 + s)) for s in self.scale.seeds]
        return [order[: max(1, round(share * count))].sort().values for order in orders]


def laboratory(here: Scale, *, cache: Path | None = None, progress: bool = True) -> Laboratory:
    """Load the models of a scale and extract all features, on a GPU where there is one.

    Args:
        here: the scale.
        cache: where features and answers are kept; by default `places.cache()`.
        progress: show bars.
    """
    cache = cache or places.cache()
    zoom, device = here.zoom_shot, "cuda" if torch.cuda.is_available() else "cpu"
    pictures = sets(zoom.sets)
    clip = load(zoom.clip, DualEncoder).to(device)
    texts = {
        name: class_features(clip.encode_text, images.names, images.templates)
        for name, images in (pictures.tests | pictures.validation).items()
    }
    with torch.no_grad():
        prompts = clip.encode_text(list(pictures.prompts), normalize=False)
    models = [VisionEncoder.of(clip), *(load(name, VisionEncoder).to(device) for name in zoom.encoders)]
    raw = VisionEncoder.of(clip, pixels="raw")
    features: dict[tuple[str, str], Tensor] = {}
    everything = {TRAIN: pictures.train} | {f"train: {name}": images for name, images in pictures.targets.items()}
    for name, images in (everything | pictures.tests | pictures.validation).items():
        wanted = [*models, raw] if name == TRAIN else models
        found = extract(wanted, images, cache / "features", mapped=mapped(), progress=progress)
        for model, values in zip((zoom.clip, *zoom.encoders, RAW), found, strict=False):
            features[model, name] = values
    own = dict(zip((zoom.clip, *zoom.encoders), models, strict=True))
    digests = {name: model.digest() for name, model in own.items()}
    fingerprints = {name: fingerprint(model) for name, model in own.items()} | {zoom.clip: fingerprint(clip)}
    return Laboratory(here, pictures, zoom.clip, zoom.encoders, features, texts, prompts, digests, cache, fingerprints)


def class_features(
    encode: Callable[..., Tensor], names: Sequence[str], templates: Sequence[str], *, chunk: int = 64
) -> Float[Tensor, "names dim"]:
    """One text feature a class: the plain mean of its prompts' features, none of them normalised.

    Args:
        encode: `DualEncoder.encode_text`.
        names: of the classes.
        templates: with a `{}` for the name.
        chunk: classes at a time.

    Source: ZS Sec. 4.1, "simply the average", in the order of the Linear Aligner's code (D23).
    """
    means = []
    with torch.no_grad():
        for start in range(0, len(names), chunk):
            part = names[start : start + chunk]
            texts = encode([t.format(name) for name in part for t in templates], normalize=False)
            means.append(texts.view(len(part), len(templates), -1).mean(1))
    return torch.cat(means)


# -- maps and what they answer ----------------------------------------------------------------------
def zoom_shot(
    lab: Laboratory, encoder: str, settings: ZoomShotSettings, *, share: float | None = None, train: str = TRAIN
) -> Answers:
    """Train Zoom-shot's maps for each seed and try them on every set.

    Args:
        lab: the laboratory.
        encoder: whose features are mapped.
        settings: of the training.
        share: of the training images; the scale's by default.
        train: `ImageNet`; a test set, for its training images (ZS Tab. 6); or `mixed: <test set>`, for half
            and half, as many in all.
    """
    rows, source, clip = _training(lab, encoder, share, train)
    parts = ("zoom_shot", encoder, settings, share, train)
    return _answers(
        lab, encoder, parts, lambda: fit_many(source, clip, lab.prompts, settings, seeds=lab.scale.seeds, rows=rows)
    )


def linear_aligner(
    lab: Laboratory, encoder: str, settings: AlignerSettings, *, share: float | None = None, raw: bool = True
) -> Answers:
    """Train the Linear Aligner for each seed and try it on every set.

    Args:
        lab: the laboratory.
        encoder: whose features are mapped.
        settings: of the training.
        share: of the training images; the scale's by default.
        raw: towards the features of CLIP given pixels that were not normalised, as its published code has it.
    """
    rows, source, clip = _training(lab, encoder, share, TRAIN, clip=RAW if raw else lab.clip)
    parts = ("linear_aligner", encoder, settings, share, raw)
    return _answers(lab, encoder, parts, lambda: align(source, clip, settings, seeds=lab.scale.seeds, rows=rows))


def closed_form(lab: Laboratory, encoder: str, *, share: float | None = None) -> Answers:
    """The least-squares maps of each seed's share of the images, tried on every set: the control."""
    rows, source, clip = _training(lab, encoder, share, TRAIN)
    parts = ("least_squares", encoder, share)
    return _answers(lab, encoder, parts, lambda: [least_squares(source, clip, rows=r) for r in rows])


def clip_itself(lab: Laboratory) -> Answers:
    """CLIP's own zero-shot answers on every set: what a map into its space is measured by.

    Raises:
        ValueError: at paper scale, they are not as good as published (`baselines.meet`).
    """
    hits: dict[tuple[str, str], Tensor] = {}
    for name in lab.examined:
        found = named(lab.features[lab.clip, name], lab.texts[name]) == lab.labels[name]
        hits |= {(IMAGES, name): found[None]}
    own = Answers(lab.clip, hits, ("clip",), alike=True)
    for gate in baselines.BASELINES if lab.scale.name == baselines.SCALE else ():
        if gate.item == "ZS Tab. 1" and gate.subject in lab.sets.tests:
            baselines.meet(gate, own.accuracy([gate.subject]))
    return own


def probe(lab: Laboratory, encoder: str, *, ridge: float = 1e-3) -> Answers:
    """How well the encoder itself tells the classes of a target set apart, given labels: a ridge classifier.

    Trained on the target's training images, so it is there for the sets of ZS Tab. 6 alone. The features are
    centred and scaled to unit variance together.

    Source: ours, to tell a weak encoder from a weak map (Z2).
    """
    hits: dict[tuple[str, str], Tensor] = {}
    for name, images in lab.sets.targets.items():
        known, new = (lab.features[encoder, part].double() for part in (f"train: {name}", name))
        mean, spread = known.mean(0), known.std()
        known, new = (known - mean) / spread, (new - mean) / spread
        wanted = F.one_hot(torch.tensor(images.labels), len(lab.texts[name])).double()
        gram = known.T @ known + ridge * len(known) * torch.eye(known.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(gram, known.T @ (wanted - wanted.mean(0)))
        hits[IMAGES, name] = ((new @ weights + wanted.mean(0)).argmax(1) == lab.labels[name])[None]
    return Answers(encoder, hits, ("probe", encoder, ridge), alike=True)


def named(features: Float[Tensor, "images dim"], classes: Float[Tensor, "classes dim"]) -> Tensor:
    """The class of highest cosine for each image; of equals the first."""
    return (F.normalize(features.to(classes), dim=1) @ F.normalize(classes, dim=1).T).argmax(1).cpu()


def _training(
    lab: Laboratory, encoder: str, share: float | None, train: str, *, clip: str = ""
) -> tuple[list[Tensor], Tensor, Tensor]:
    """For each seed the rows to train on, and the features they are rows of."""
    clip = clip or lab.clip
    share = lab.scale.zoom_shot.share if share is None else share
    if train == TRAIN:
        return lab.share(share), lab.features[encoder, TRAIN], lab.features[clip, TRAIN]
    target = f"train: {train.removeprefix('mixed: ')}"
    source, targets = lab.features[encoder, target], lab.features[clip, target]
    if not train.startswith("mixed: "):
        return [torch.arange(len(source))] * len(lab.scale.seeds), source, targets
    half = len(source) // 2
    both = torch.cat([source, lab.features[encoder, TRAIN]])
    rows = []
    for seed, own in zip(lab.scale.seeds, lab.share(1.0), strict=True):
        g = torch.Generator().manual_seed(20_000 + seed)
        left = torch.randperm(len(source), generator=g)[:half]
        right = own[torch.randperm(len(own), generator=g)[: len(source) - half]]
        rows.append(torch.cat([left, right + len(source)]))
    return rows, both, torch.cat([targets, lab.features[clip, TRAIN]])


def _answers(lab: Laboratory, encoder: str, parts: tuple[object, ...], maps: Callable[[], list[Maps]]) -> Answers:
    """Answers by what they depend on: read if they are known, computed and kept if not.

    Maps are computed here even where there is a cluster: one pass over 256 000 images takes half a minute on two cores
    (`benchmarks/zoom_shot.md`), and the features that would have to travel for it have gigabytes.
    """
    pictures = [images.digest for images in (lab.sets.train, *lab.sets.targets.values(), *lab.examined.values())]
    names = [[*images.names, *images.templates] for images in lab.examined.values()]
    models = [(lab.fingerprints or lab.weights)[name] for name in (lab.clip, encoder)]
    own = [models, lab.sets.prompts, pictures, names, lab.scale.seeds]
    place = lab.cache / "maps" / f"{store.key(_VERSION, own, lab.scale.zoom_shot.share, *parts)}.safetensors"
    known = store.load_tensors(place)
    if known is None:
        found: dict[str, list[Tensor]] = {}
        for one in maps():
            for (direction, name), hit in tried(lab, encoder, one).items():
                found.setdefault(f"{direction}/{name}", []).append(hit)
        known = {where: torch.stack(hits) for where, hits in found.items()}
        store.save_tensors(place, known)
    return Answers(encoder, {_parted(where): hits for where, hits in known.items()}, parts)


def _parted(where: str) -> tuple[str, str]:
    direction, _, name = where.partition("/")
    return direction, name


def tried(lab: Laboratory, encoder: str, maps: Maps) -> dict[tuple[str, str], Bool[Tensor, " images"]]:
    """Which images of each set maps name right, in each direction there is a map for."""
    hits: dict[tuple[str, str], Tensor] = {}
    for name, labels in lab.labels.items():
        features, texts = lab.features[encoder, name].to(lab.prompts.device), lab.texts[name]
        hits[IMAGES, name] = named(maps.h(features), texts) == labels
        if maps.h_inverse is not None:
            hits[TEXTS, name] = named(features, maps.h_inverse(texts)) == labels
    return hits


def example(lab: Laboratory, encoder: str, settings: ZoomShotSettings) -> Maps:
    """The first seed's maps, to look at."""
    chosen, source, clip = _training(lab, encoder, None, TRAIN)
    return fit_many(source, clip, lab.prompts, settings, seeds=lab.scale.seeds[:1], rows=chosen[:1])[0]
