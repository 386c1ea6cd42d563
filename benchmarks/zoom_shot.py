"""What Zoom-shot costs, in ratios of one run: `python benchmarks/zoom_shot.py`.

(a) `fit` on features of the published widths against the bare matrix products it cannot do without,
(b) several seeds side by side against one after the other,
(c) extraction of features from JPEG files against the encoder's bare forward pass on pictures in memory.

Writes `benchmarks/zoom_shot.json`, and from it `benchmarks/zoom_shot.md`.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ktlib.companion.record.rows import provenance
from ktlib.data import images as pictures
from ktlib.data.sets import LabelledImages
from ktlib.evaluate.features import extract
from ktlib.models import VisionEncoder, load
from ktlib.zoom_shot import ZoomShotSettings, fit, fit_many

HERE = Path(__file__).parent
ROWS, CLIP, PROMPTS = 256_000, 512, 44  # 20 % of ImageNet; CLIP ViT-B/16; ZS, Fig. 5
WIDTHS = {"ResNet-18": 512, "MobileNetV3-small": 576, "DINO ViT-B": 768, "DenseNet-121": 1024}


def bare(width, batch, steps):
    """Seconds of the products alone: each map's forward pass, and the gradients of weights and inputs.

    h is applied to the images, then to what returns from the encoder's space and to the prompts in it; h⁻¹ to CLIP's
    images, to the prompts and to the mapped images; each student is one product with the prompts, and its gradient two.
    """
    h, back = torch.randn(width, CLIP), torch.randn(CLIP, width)
    x, y, text, mapped = (
        torch.randn(n, d) for n, d in ((batch, width), (batch, CLIP), (PROMPTS, CLIP), (PROMPTS, width))
    )
    into, out = torch.randn(2 * batch + PROMPTS, CLIP), torch.randn(batch + PROMPTS, width)
    slope_out, slope_in = torch.randn(2 * batch + PROMPTS, width), torch.randn(batch + PROMPTS, CLIP)
    logits = torch.randn(batch, PROMPTS)
    began = time.perf_counter()
    for _ in range(steps):
        x @ h, into @ back, out @ h  # forward
        y @ text.T, y @ text.T, x @ mapped.T, x @ mapped.T  # teacher and three students
        out.T @ slope_in, slope_in @ h.T, into.T @ slope_out, slope_out @ back.T, x.T @ y  # backward
        logits @ text, logits @ mapped, logits.T @ x, logits @ mapped, logits.T @ x
    return time.perf_counter() - began


def fits(width, rows, repeats, batch=100):
    """Median seconds of `fit` and of the bare products, measured in turns."""
    g = torch.Generator().manual_seed(0)
    source, clip = (torch.randn(rows, d, generator=g).half() for d in (width, CLIP))
    text = torch.randn(PROMPTS, CLIP, generator=g)
    steps = math.ceil(rows / batch)
    fit(source[:1000], clip[:1000], text)
    bare(width, batch, 10)
    pairs = []
    for _ in range(repeats):
        limit = bare(width, batch, steps)
        began = time.perf_counter()
        fit(source, clip, text, ZoomShotSettings(batch=batch))
        pairs.append((limit, time.perf_counter() - began))
    limit, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = [o / b for b, o in pairs]
    whole = ours * ROWS / rows
    return {"width": width, "rows": rows, "bare_s": limit, "fit_s": ours, "ratio": statistics.median(ratios),
            "ratios": [round(r, 3) for r in ratios], "fit_of_256k_s": whole, "fits_a_minute": 60 / whole}  # fmt: skip


def side_by_side(rows=4096, widths=(112, 128), batch=16, seeds=3):
    """Seconds of three pocket-sized fits, together and one after the other."""
    g = torch.Generator().manual_seed(0)
    source, clip = (torch.randn(rows, d, generator=g).half() for d in widths)
    text, settings = torch.randn(PROMPTS, widths[1], generator=g), ZoomShotSettings(batch=batch)
    fit(source, clip, text, settings)
    began = time.perf_counter()
    fit_many(source, clip, text, settings, seeds=range(seeds))
    together = time.perf_counter() - began
    began = time.perf_counter()
    for seed in range(seeds):
        fit(source, clip, text, settings, seed=seed)
    return {"seeds": seeds, "together_s": together, "apart_s": time.perf_counter() - began}


def extraction(name, count, repeats, batch=32):
    """Seconds of `extract` from JPEG files, and of the bare forward passes on the same pictures in memory."""
    encoder = load(name, VisionEncoder)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        rng = np.random.default_rng(0)
        for index in range(count):
            path = Path(folder) / f"{index}.jpg"
            noise = rng.integers(0, 256, (14, 18, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
            paths.append(path)
        files = LabelledImages("jpegs", lambda i: pictures.read_image(paths[i]), (0,) * count, (), (), "jpegs")
        memory = torch.cat(list(files.batches(batch, encoder.image_size)))
        pairs = []
        for turn in range(repeats + 1):
            with torch.no_grad():
                began = time.perf_counter()
                for part in memory.split(batch):
                    encoder.features(part)
                limit = time.perf_counter() - began
            began = time.perf_counter()
            extract([encoder], files, Path(folder) / f"features{turn}", batch=batch)
            pairs.append((limit, time.perf_counter() - began))
    ratios = [o / b for b, o in pairs[1:]]  # the first turn warms up
    limit, ours = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    return {"encoder": name, "images": count, "bare_ms": 1000 * limit / count, "extract_ms": 1000 * ours / count,
            "ratio": statistics.median(ratios), "ratios": [round(r, 3) for r in ratios]}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=25_600, help="features a fit; 256 thousand are ten times as many steps"
    )
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    record = {
        "machine": provenance(),
        "threads": torch.get_num_threads(),
        "fits": [{"encoder": n} | fits(w, arguments.rows, arguments.repeats) for n, w in WIDTHS.items()],
        "seeds": side_by_side(),
        "extraction": [
            extraction(f"random/{name}", count, 3)
            for name, count in (("torchvision/resnet18", 128), ("timm/vit_base_patch16_224.dino", 64))
        ],
    }
    (HERE / "zoom_shot.json").write_text(json.dumps(record, indent=2) + "\n")
    (HERE / "zoom_shot.md").write_text(readable(record))
    print(readable(record))


def readable(record):
    machine = record["machine"]
    lines = [
        "# What Zoom-shot costs",
        "",
        "Generated by `python benchmarks/zoom_shot.py`, not edited by hand. Ratios are of one run; seconds are of this "
        "machine",
        f"and worth nothing elsewhere: {machine['device']}, {record['threads']} threads, torch {machine['torch']}, "
        f"{machine['date']}.",
        "",
        "## A fit against its matrix products",
        "",
        "The products of one epoch (batches of 100, 44 prompts, CLIP's 512 dimensions) are what no implementation can do "
        "without.",
        "`fit` adds: gathering half-precision rows, losses, autograd, Adam.",
        "",
        "| encoder | width | products, s | `fit`, s | ratio (median; all) | 256 000 images, s | fits a minute |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record["fits"]:
        spread = ", ".join(f"{r:.2f}" for r in row["ratios"])
        lines.append(
            f"| {row['encoder']} | {row['width']} | {row['bare_s']:.2f} | {row['fit_s']:.2f} | **{row['ratio']:.2f}** "
            f"({spread}) | {row['fit_of_256k_s']:.0f} | {row['fits_a_minute']:.2f} |"
        )
    rows, seeds = record["fits"][0]["rows"], record["seeds"]
    lines += [
        "",
        f"Measured on {rows} images, one epoch; the column for 256 000 is that times {ROWS / rows:g}.",
        "",
        f"Pocket-sized fits of {seeds['seeds']} seeds take {seeds['together_s']:.2f} s side by side and "
        f"{seeds['apart_s']:.2f} s one after the other (**{seeds['apart_s'] / seeds['together_s']:.1f} times** as much).",
        "",
        "## Extraction against the bare forward pass",
        "",
        "From JPEG files of 500 × 375 pixels to features on disk, against the encoder's forward pass on the same pictures "
        "in memory.",
        "",
        "| encoder | images | forward, ms an image | `extract`, ms an image | ratio (median; all) |",
        "|---|---|---|---|---|",
    ]
    for row in record["extraction"]:
        spread = ", ".join(f"{r:.2f}" for r in row["ratios"])
        lines.append(
            f"| {row['encoder']} | {row['images']} | {row['bare_ms']:.1f} | {row['extract_ms']:.1f} | "
            f"**{row['ratio']:.2f}** ({spread}) |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
