"""Tiny datasets in the real on-disk formats, generated: for tests and for the rehearsal scale.

The pictures are noise and stripes; no number measured on them is a result. The names are real so that
every step of the paper path has something to work on, duplicate class names included.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import scipy.io
from PIL import Image

CONCEPTS = ("moongate", "tonometer", "gyroscope")

# ILSVRC id (ours, out of the order of the WordNet ids as in the real kit), WordNet id, synonyms, children.
SYNSETS = (
    (1, "n03126707", "crane", 0),
    (2, "n02963159", "cardigan", 0),
    (3, "n01440764", "tench, Tinca tinca", 0),
    (4, "n02113186", "Cardigan, Cardigan Welsh corgi", 0),
    (5, "n02012849", "crane", 0),
    (6, "n02084071", "dog, domestic dog, Canis familiaris", 1),  # no class: it has a child
)
PER_CLASS = 2
GROUND_TRUTH = (3, 1, 5, 2, 4, 4, 2, 3, 1, 5)  # ILSVRC id of image 1, 2, ...

Damage = Literal[
    "truncated image", "missing image", "empty folder", "digest mismatch", "ground truth too short", "no devkit"
]


def rare_concepts(root: str | Path) -> Path:
    """Three concepts of two pictures each, with a manifest; returns `<root>/rare_concepts`.

    Each of the modes that a collection from the web contains occurs: RGBA PNG, greyscale JPEG, CMYK JPEG.
    """
    home = Path(root) / "rare_concepts"
    rows = []
    for seed, concept in enumerate(CONCEPTS):
        (home / concept).mkdir(parents=True, exist_ok=True)
        modes = (("RGB", "jpg"), (("RGBA", "png"), ("L", "jpg"), ("CMYK", "jpg"))[seed])
        for number, (mode, suffix) in enumerate(modes):
            file = home / concept / f"{number}.{suffix}"
            _picture(10 * seed + number, mode).save(file)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            rows.append((concept, file.name, "generated", "CC0-1.0", digest))
    with (home / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([("concept", "file", "source_url", "licence", "sha256"), *rows])
    return home


def imagenet(root: str | Path, layout: Literal["flat", "folders"] = "flat") -> Path:
    """Five classes of two images each with a development kit; returns `<root>/imagenet`.

    Image 2 is CMYK and image 3 greyscale, as some real ones are. Read it with `partial=True`.
    """
    home = Path(root) / "imagenet"
    kit = home / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True, exist_ok=True)
    fields = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("gloss", object)]
    fields += [("num_children", object), ("children", object)]
    rows = [(i, wnid, words, "generated", n, np.arange(n)) for i, wnid, words, n in SYNSETS]
    scipy.io.savemat(kit / "meta.mat", {"synsets": np.array(rows, dtype=fields).reshape(-1, 1)})
    wnid_of = {number: wnid for number, wnid, *_ in SYNSETS}
    for number, label in enumerate(GROUND_TRUTH, 1):
        folder = home / "val" / (wnid_of[label] if layout == "folders" else "")
        folder.mkdir(parents=True, exist_ok=True)
        mode = {2: "CMYK", 3: "L"}.get(number, "RGB")
        _picture(100 + number, mode).save(folder / f"ILSVRC2012_val_{number:08d}.JPEG")
    if layout == "flat":
        (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{label}\n" for label in GROUND_TRUTH))
    return home


def damage(home: Path, how: Damage) -> Path:
    """Damage a generated fixture in one way; returns the file or folder that was changed.

    Args:
        home: what `rare_concepts` or `imagenet` (flat) returned.
        how: `truncated image`, `missing image`, `empty folder`: either fixture (a folder of concept 1, or `val`);
            `digest mismatch`: RareConcepts; `ground truth too short`, `no devkit`: ImageNet.
    """
    folder = home / (CONCEPTS[0] if home.name == "rare_concepts" else "val")
    kit = home / "ILSVRC2012_devkit_t12" / "data"
    target = sorted(folder.iterdir())[-1]
    if how == "truncated image":
        target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    elif how == "missing image":
        target.unlink()
    elif how == "digest mismatch":
        _picture(999, "RGB").save(target)
    elif how == "empty folder":
        for file in folder.iterdir():
            file.unlink()
        target = folder
    elif how == "ground truth too short":
        target = kit / "ILSVRC2012_validation_ground_truth.txt"
        target.write_text("\n".join(target.read_text().split()[:-1]) + "\n")
    elif how == "no devkit":
        target = kit / "meta.mat"
        target.unlink()
    else:
        raise ValueError(f"expected a damage of {get_args(Damage)}, got {how!r}")
    return target


def _picture(seed: int, mode: str) -> Image.Image:
    """Coloured noise and stripes, wider than high, so that a crop changes it."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, size=(48, 64, len(Image.new(mode, (1, 1)).getbands())), dtype=np.uint8)
    pixels[:, :: 2 + seed % 5] //= 2
    return Image.fromarray(pixels.squeeze(-1) if mode == "L" else pixels, mode)
