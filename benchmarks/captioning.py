"""What a caption costs: `python benchmarks/captioning.py [--large] [--device cuda]`.

Side by side in one run, for each search: all images at once with what was read kept (`Captioner.generate`),
the same one image at a time, and a loop that reads the whole text again for every word. All must write
the same captions. For the search of the paper's time the loop runs its six beams, as open_clip does.

Writes `benchmarks/captioning.json` and `benchmarks/captioning.md`.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from ktlib.companion.asked import usable_device
from ktlib.companion.record.rows import provenance
from ktlib.models import Captioner, coca, decoding, load
from ktlib.pocket import telling, world

HERE = Path(__file__).parent
IMAGES, LEAST = 32, 4.0  # images at once, and how many times as fast the batch must be


class Again:
    """Text tower and decoder over the whole text for every word: what `coca.Continuation` saves.

    Args:
        model: of which captions are asked.
        seen: tokens of the images.
        copies: of every text, all run: three groups of open_clip's do the same.
    """

    def __init__(self, model, seen, copies=1):
        self.model, self.seen, self.copies = model, seen, copies
        self.texts, self.open = torch.empty(len(seen), 0, dtype=torch.long, device=seen.device), 1

    def __call__(self, words, rows):
        rows = rows.to(self.seen.device)
        owners = rows[:, 0] // self.open
        self.seen = self.seen[owners] if len(owners) < len(self.seen) else self.seen
        self.open = words.shape[1]
        self.texts = torch.cat([self.texts[rows.flatten()], words.to(rows.device).view(-1, 1)], 1)
        texts = self.texts.repeat(self.copies, 1)
        seen = self.seen.repeat_interleave(self.open, 0).repeat(self.copies, 1, 1)
        logits = self.model.clip(None, texts, image_latent=seen, image_embs=seen, output_labels=False)["logits"][:, -1]
        return logits[: len(self.texts)].view(len(words), self.open, -1)


def synchronise(device):
    if device != "cpu":
        torch.cuda.synchronize()


@torch.no_grad()
def again(model, images, search):
    limits = decoding.Limits(model.start, model.end)
    copies = decoding.GROUPS if search == "beam_logits" else 1
    step = Again(model, model.see(images)[1], copies)
    return [model._written(ids) for ids in decoding.search(step, len(images), limits, kind=search)]


def timed(work, device):
    synchronise(device)
    began = time.perf_counter()
    captions = work()
    synchronise(device)
    return time.perf_counter() - began, captions


def measure(name, device, search, *, images, repeats):
    """Medians of times measured in turns, so that all see the same machine."""
    model = load(name, Captioner).to(device)
    pictures = world.to_tensor([shown.image for shown in telling.split("validation", images)]).to(device)
    if model.image_size != pictures.shape[-1]:
        pictures = torch.nn.functional.interpolate(pictures, model.image_size)
    ways = {
        "batch": lambda: model.generate(pictures, search=search),
        "alone": lambda: [model.generate(one[None], search=search)[0] for one in pictures],
        "again": lambda: again(model, pictures, search),
    }
    times = {way: [] for way in ways}
    for turn in range(repeats + 1):
        said = {}
        for way, work in ways.items():
            seconds, said[way] = timed(work, device)
            if turn:  # the first one warms up
                times[way].append(seconds)
        if not said["batch"] == said["alone"] == said["again"]:
            raise RuntimeError(f"expected the same captions of {name} by {search}, whichever way; found others: {said}")
    each = {way: statistics.median(seconds) / images for way, seconds in times.items()}
    ratios = {way: [round(a / b, 2) for a, b in zip(times[way], times["batch"], strict=True)] for way in times}
    return {
        "model": name, "search": search, "images": images, "words": statistics.mean(len(c.split()) for c in said["batch"]),
        "milliseconds": {way: 1000 * seconds for way, seconds in each.items()}, "ratios": ratios,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the published size too (random weights, 2.6 GB)")
    parser.add_argument("--device", type=usable_device, default="cpu", help="default: cpu")
    arguments = parser.parse_args()
    coca.AT_ONCE = IMAGES
    found = [
        measure("pocket/coca-plain", arguments.device, search, images=IMAGES, repeats=5) for search in decoding.SEARCHES
    ]
    if arguments.large:
        found.append(measure("random/coca-ViT-L-14", arguments.device, "beam_logits", images=2, repeats=1))
    record = provenance() | {"device_kind": arguments.device, "models": found}
    (HERE / "captioning.json").write_text(json.dumps(record, indent=2) + "\n")
    (HERE / "captioning.md").write_text(rendered(record) + "\n")
    print(rendered(record))
    (old,) = (m for m in found if m["search"] == "beam_logits" and m["images"] == IMAGES)
    if min(factor(old, "alone"), factor(old, "again")) < LEAST:
        raise SystemExit(f"expected the batch at least {LEAST:g} times as fast under the search of the paper's time")


def factor(measured, way):
    """How many times the batch's time a way takes."""
    return statistics.median(measured["ratios"][way])


def rendered(record):
    """The figures as Markdown."""
    lines = [
        "# What a caption costs",
        "",
        "Generated by `python benchmarks/captioning.py`, not edited by hand. Ratios are of one run; milliseconds are of this",
        f"machine and worth nothing elsewhere: {record['device']}, torch {record['torch']}, {record['date']}.",
        "",
        "All three ways wrote the same captions. *One at a time* is the same code with one image; *again* reads the whole text",
        "for every word, all images at once, and for the search of the paper's time in six beams, as open_clip does.",
        "",
        "| model | search | images | words | batch, ms an image | one at a time, ms | times ours | again, ms | times ours |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for m in record["models"]:
        ms = m["milliseconds"]
        lines.append(
            f"| {m['model']} | {m['search']} | {m['images']} | {m['words']:.1f} | {ms['batch']:.1f} | {ms['alone']:.1f} | "
            f"**{factor(m, 'alone'):.1f}** | {ms['again']:.1f} | **{factor(m, 'again'):.1f}** |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
