"""At paper scale a table first gives the published baseline: else no difference measured after it can be read.

Each gate names rows of the untouched model, the printed number that stands beside them, how far they may be from it,
and what to look at where they are. A study asks for its gates before anything is taught. `KTLIB_GO_ON=1` turns a miss
into a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ktlib.companion.record import published
from ktlib.companion.record.rows import Row, select
from ktlib.evaluate.calibration import missed

SCALE = "paper"  # the only one whose models are the published ones


@dataclass(frozen=True)
class Baseline:
    """One number that must come out before anything is taught.

    Attributes:
        item: of our rows.
        model, metric, subject: of our rows; an empty subject means that all give the same.
        printed: columns of `published.numbers` that say which number it is, its item among them.
        tolerance: in percent points of the printed number.
        look: where a miss comes from, most often.
    """

    item: str
    model: str
    metric: str
    printed: Mapping[str, str]
    tolerance: float
    look: str
    subject: str = ""

    @property
    def expected(self) -> float:
        """The printed number, in percent.

        Raises:
            ValueError: none or several are printed.
        """
        wanted = dict(self.printed)
        found = {
            number.value
            for number in published.numbers(wanted.pop("item"))
            if all(getattr(number, column) == value for column, value in wanted.items())
        }
        if len(found) != 1:
            raise ValueError(f"expected one printed number for {dict(self.printed)}, found {sorted(found)}")
        return found.pop()


_NAMES = "class names, prompt and preprocessing (data_manifests/calibration*.json), and the classes of each file"
_FILMS = "the classes' prompts and how many are drawn, grey levels and padding of the films, and the order of the list"
_PAIRS = "match logit or probability, the size of the pictures, texts cut at 40 tokens, and the split of 1000 images"
_WORDS = "the search (width 2 on raw logits), how padding is read, which references are kept, and the tokenizer of Java"
_MASKS = "the activation of the text tower, beta and layer, the prompt, and what is cut from the map"
_SETS = "class names, prompts and splits of that set, and that pictures are cut and normalised as CLIP was trained"


def _printed(item: str, model: str, metric: str, dataset: str, variant: str = "baseline") -> dict[str, str]:
    return {"item": item, "model": model, "variant": variant, "dataset": dataset, "metric": metric}


_KT_1 = "KT Tab. 1"
_VILT = "dandelin/vilt-b32-mlm-itm"
BASELINES: tuple[Baseline, ...] = (
    # Tolerances: 0.3 points where nothing is drawn at random; more where prompts, captions or a search are.
    *(
        Baseline(_KT_1, ours, "retention", _printed(_KT_1, theirs, "imagenet_accuracy", "ImageNet-1k"), 0.3, _NAMES)
        for ours, theirs in (("openai/ViT-B-32", "CLIP ViT-B/32"), ("openai/ViT-L-14", "CLIP ViT-L/14"))
    ),
    Baseline(
        "KT Tab. 1 ViLT", _VILT, "retention", _printed(_KT_1, "ViLT-B/32", "imagenet_accuracy", "ImageNet-100"), 1.0,
        _NAMES,
    ),
    Baseline(
        "every nodule", "RyanWangZf/MedCLIP-ViT", "retention",
        _printed("KT Tab. 2", "MedCLIP (ViT)", "accuracy", "CheXpert-5x200c"), 2.0, _FILMS,
    ),
    *(
        Baseline("KT Tab. 3", ours, "top1", _printed("KT Tab. 3", theirs, "top1", "CheXpert-5x200c"), 1.0, _FILMS)
        for ours, theirs in (("openai/ViT-B-32", "CLIP ViT-B/32"), ("openai/ViT-L-14", "CLIP ViT-L/14"))
    ),
    *(
        Baseline("KT Tab. 4", "microsoft/BiomedCLIP", ours,
                 _printed("KT Tab. 4", "MedCLIP-SAMv2", theirs, "UDIAT"), 3.0, _MASKS, subject="breast tumor")
        for ours, theirs in (("dsc", "dsc"), ("nsd_slab", "nsd"), ("iou", "iou"))
    ),
    *(
        Baseline("KT Tab. 5", _VILT, metric, _printed("KT Tab. 5", "ViLT-B/32", metric, "Flickr30k"), 0.3, _PAIRS)
        for metric in ("tr@1", "tr@5", "tr@10", "ir@1", "ir@5", "ir@10")
    ),
    *(
        Baseline("KT Tab. 6", ours, "cider", _printed("KT Tab. 6", theirs, "cider", "MSCOCO"), 1.0, _WORDS)
        for ours, theirs in (("laion/coca-ViT-L-14", "CoCa"), ("laion/coca-ViT-L-14-mscoco", "CoCa FT"))
    ),
    *(
        Baseline("ZS Tab. 1", "openai/ViT-B-16", "top1", _printed("ZS Tab. 1", "CLIP ViT-B/16", "top1", name,
                 "clip_zero_shot"), 0.5, _SETS, subject=name)
        for name in ("CIFAR-10", "CIFAR-100", "ImageNet-100", "ImageNet-1000", "CUB-200", "Flowers-102",
                     "Oxford-IIIT Pets", "Stanford Cars")  # what is printed for Herbarium-19 is no percent
    ),
)  # fmt: skip


def check(rows: Iterable[Row]) -> None:
    """Stop where rows of the untouched model miss what is published; at paper scale alone.

    Args:
        rows: any; those of the base that a gate names count, differences do not.

    Raises:
        ValueError: a gate is missed, and `KTLIB_GO_ON` is not set.
    """
    own = [row for row in rows if row.scale == SCALE and row.method == "base" and row.split == "test" and not row.over]
    for gate in BASELINES:
        subject = {"subject": gate.subject} if gate.subject else {}
        for row in select(own, item=gate.item, model=gate.model, metric=gate.metric, **subject):
            meet(gate, row.value)


def meet(gate: Baseline, value: float) -> None:
    """Stop where a fraction misses the gate's printed number by more than its tolerance.

    Args:
        gate: of `BASELINES`.
        value: what the untouched model gives, a fraction.

    Raises:
        ValueError: it does, and `KTLIB_GO_ON` is not set.
    """
    if abs(100 * value - gate.expected) <= gate.tolerance + 1e-9:
        return
    what = f"{gate.metric} of {gate.model}" + (f" on {gate.subject}" if gate.subject else "")
    missed(
        f"expected {gate.expected:g} ± {gate.tolerance:g} for {what} before any transfer, as {gate.printed['item']} "
        f"prints it, found {100 * value:.2f}; look at {gate.look}"
    )
