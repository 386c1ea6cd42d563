"""What maps and masks cost, in ratios of one run: `python benchmarks/saliency.py [--large] [--device cuda]`.

(a) maps an image against the bare encoder passes that they need: 10 steps of 10 copies, forward and backward,
    through the whole visual tower; ours is aimed to stay within 1.3 times,
(b) against the plain loop: one image at a time, all of its copies through all blocks,
(c) a mask by SAM against one pass of its image encoder.

Writes `benchmarks/saliency.json` and `benchmarks/saliency.md`.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from ktlib.companion.asked import usable_device
from ktlib.companion.record.rows import provenance
from ktlib.evaluate.saliency import SaliencySettings, grad_cam, saliency
from ktlib.models import DualEncoder, Segmenter, load, sam
from ktlib.models.blocks import blocks

HERE = Path(__file__).parent
AIM = 1.3  # times the bare passes
# Images in a KT table's task (Tab. 4: BraTS 2023), for the hours that a table would take.
SLICES, CELLS = 14_746, 9


def synchronise(device):
    if device != "cpu":
        torch.cuda.synchronize()


def timed(work, device):
    synchronise(device)
    began = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - began


def bare(model, images, settings, at_once, device):
    """Seconds an image of the passes alone: all copies through the whole tower, and back to the pixels."""
    batch = at_once * settings.copies
    pixels = model.pixels(images[:1].to(device)).expand(batch, -1, -1, -1).clone().requires_grad_(True)

    def passes():
        for _ in range(settings.steps):
            features = model.clip.encode_image(pixels)
            torch.autograd.grad(features.square().sum(), pixels)

    return timed(passes, device) / at_once


def ours(model, images, text, settings, at_once, device):
    return timed(lambda: saliency(model, images, text, settings=settings, at_once=at_once), device) / len(images)


def plain(model, images, text, settings, device):
    """Seconds an image of M2IB's own loop: one image, its copies through all blocks, an update after every pass."""
    kept = {}

    def gate(module, given, output):
        x = output[0] if isinstance(output, tuple) else output
        if "alpha" not in kept:
            kept["alpha"] = torch.full_like(x[:1], settings.start).requires_grad_()
        keep = kept["alpha"].sigmoid().expand_as(x)
        mean, deviation = keep * x, 1 - keep
        kept["capacity"] = -0.5 * (1 + 2 * deviation.log() - mean.square() - deviation.square())
        noisy = mean + deviation * torch.randn_like(x)
        return (noisy, *output[1:]) if isinstance(output, tuple) else noisy

    target = model.encode_text([text])
    handle = blocks(model.visual)[settings.layer].register_forward_hook(gate)

    def loop():
        for image in images.to(device):
            kept.clear()
            copies, optimizer = image[None].expand(settings.copies, -1, -1, -1), None
            for _ in range(settings.steps):
                features = model.encode_image(copies)
                loss = settings.beta * kept["capacity"].mean() - F.cosine_similarity(features, target).mean()
                optimizer = optimizer or torch.optim.Adam([kept["alpha"]], lr=settings.lr)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    try:
        return timed(loop, device) / len(images)
    finally:
        handle.remove()


def maps(name, text, layer, device, *, images, at_once, repeats, alone):
    """Medians of times measured in turns, so that all see the same machine."""
    model = load(name, DualEncoder).to(device)
    settings = SaliencySettings(layer=layer)
    pictures = torch.rand(images, 3, model.image_size, model.image_size, generator=torch.Generator().manual_seed(0))
    turns = []
    for _ in range(repeats + 1):
        limit = bare(model, pictures, settings, at_once, device)
        mine = ours(model, pictures, text, settings, at_once, device)
        cam = timed(lambda: grad_cam(model, pictures, text, layer=layer), device) / images
        turns.append((limit, mine, cam))
    limit, mine, cam = (statistics.median(column) for column in zip(*turns[1:], strict=True))  # the first one warms up
    ratios = [round(o / b, 3) for b, o, _ in turns[1:]]
    single = plain(model, pictures[:alone], text, settings, device)
    return {"model": name, "layer": layer, "at_once": at_once, "bare_ms": 1000 * limit, "ours_ms": 1000 * mine,
            "ratio": statistics.median(ratios), "ratios": ratios, "plain_ms": 1000 * single,
            "grad_cam_ms": 1000 * cam}  # fmt: skip


def masks(segmenter, device, *, images, repeats, size):
    """Seconds an image of the image encoder alone, of a mask, and of a mask whose embedding is there already."""
    segmenter = segmenter.to(device)
    pictures = torch.rand(images, 3, size, size, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[size * 0.2, size * 0.3, size * 0.7, size * 0.8]]).repeat(images, 1)
    turns = []
    for _ in range(repeats + 1):
        limit = timed(lambda: segmenter.embed(pictures), device) / images
        mine = timed(lambda: segmenter.segment(pictures, boxes), device) / images
        kept = segmenter.embed(pictures)
        again = timed(lambda kept=kept: segmenter.segment(pictures, boxes, embeddings=kept), device) / images
        turns.append((limit, mine, again))
    limit, mine, again = (statistics.median(column) for column in zip(*turns[1:], strict=True))
    ratios = [round(o / b, 3) for b, o, _ in turns[1:]]
    return {"model": segmenter.name, "bare_ms": 1000 * limit, "ours_ms": 1000 * mine, "again_ms": 1000 * again,
            "ratio": statistics.median(ratios), "ratios": ratios}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="the published sizes too (random weights)")
    parser.add_argument("--device", type=usable_device, default="cpu", help="default: cpu")
    arguments = parser.parse_args()
    device = arguments.device
    few = {"images": 16, "at_once": 8, "repeats": 5, "alone": 4}
    found = [maps("pocket/clip-b", "a red disk", 2, device, **few)]
    small = sam.config(width=96, layers=4, heads=3, whole=(1, 3), image_size=64, patch_size=8, window=4, channels=64)
    outlined = [masks(sam.random(small, name="a SAM of the pocket's size"), device, images=32, repeats=5, size=64)]
    if arguments.large:
        one = {"images": 2, "at_once": 1, "repeats": 2, "alone": 1}
        found.append(maps("random/ViT-B-16", "a photo of a nodule", 7, device, **one))
        found.append(maps("random/medclip", "a photo of a nodule", 7, device, **one))
        outlined.append(masks(load("random/sam-vit-b", Segmenter), device, images=1, repeats=2, size=512))
    record = provenance() | {"device_kind": device, "maps": found, "masks": outlined}
    (HERE / "saliency.json").write_text(json.dumps(record, indent=2) + "\n")
    (HERE / "saliency.md").write_text(rendered(record) + "\n")
    print(rendered(record))


def rendered(record):
    """The figures as Markdown."""
    lines = [
        "# What maps and masks cost",
        "",
        "Generated by `python benchmarks/saliency.py [--large]`, not edited by hand. Ratios are of one run; milliseconds",
        f"are of this machine and worth nothing elsewhere: {record['device']}, torch {record['torch']}, {record['date']}.",
        "",
        "The bare passes are those that a map needs as M2IB has it: ten of ten copies, forward and backward through the",
        f"whole visual tower; the aim is to stay within {AIM} times. `saliency` sends each image once through the blocks",
        "before its gates, copies it behind them, and leaves out the last backward pass, which nothing reads: a ratio",
        "below 1 says that it saves more than it adds. The plain loop takes one image at a time.",
        "",
        "| model | layer | bare, ms an image | `saliency`, ms an image | ratio (median; all) | images a second | plain loop, ms | times ours | Grad-CAM, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for m in record["maps"]:
        lines.append(
            f"| {m['model']} | {m['layer']} | {m['bare_ms']:.1f} | {m['ours_ms']:.1f} | **{m['ratio']:.2f}** "
            f"({', '.join(map(str, m['ratios']))}) | {1000 / m['ours_ms']:.2f} | {m['plain_ms']:.1f} | "
            f"**{m['plain_ms'] / m['ours_ms']:.1f}** | {m['grad_cam_ms']:.1f} |"
        )
    lines += [
        "",
        "A mask needs one pass of SAM's image encoder; several models are judged by one embedding of each image.",
        "",
        "| model | encoder, ms an image | `segment`, ms an image | ratio (median; all) | with the embedding kept, ms |",
        "|---|---|---|---|---|",
    ]
    for m in record["masks"]:
        lines.append(
            f"| {m['model']} | {m['bare_ms']:.1f} | {m['ours_ms']:.1f} | **{m['ratio']:.2f}** "
            f"({', '.join(map(str, m['ratios']))}) | {m['again_ms']:.1f} |"
        )
    large = [m for m in record["maps"] if m["model"] == "random/ViT-B-16"]
    if large:
        hours = SLICES * large[0]["ours_ms"] / 3.6e6
        lines += [
            "",
            f"KT Tab. 4 has {SLICES:,} slices of BraTS. At the rate of {large[0]['model']} on this machine their maps would take",
            f"{hours:.1f} hours for one model; a search over {CELLS} cells on three images is {3 * CELLS} maps more. Computed, not run.",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
