"""What retrieval costs, in ratios of one run: `python benchmarks/retrieval.py [--large] [--device cuda]`.

(a) a pair of `score_matrix` against the bare transformer (blocks, norm, pooler) on batches of equal length,
(b) against the naive loop: processor and transformers' own forward, one pair at a time.

Writes `benchmarks/retrieval.json` and `benchmarks/retrieval.md`.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import ViltImageProcessor

from ktlib.companion import sources
from ktlib.companion.asked import usable_device
from ktlib.companion.record.rows import provenance
from ktlib.companion.scales import scale
from ktlib.evaluate.retrieval import score_matrix
from ktlib.models import PairScorer, load

HERE = Path(__file__).parent
IMAGES, CAPTIONS = 1000, 5000  # Flickr30k's test split (KT v1, Tab. 5)
# Dense bfloat16 peak of an A100, and the share of it that a transformer of this width reaches (ours, a guess).
PEAK, SHARE = 312e12, 0.35


def synchronise(device):
    if device != "cpu":
        torch.cuda.synchronize()


def bare(model, length, tokens, batch, device):
    """Seconds a pair of the blocks, the norm and the pooler alone, on embeddings that are there already."""
    x = torch.randn(batch, length + tokens, model.config.hidden_size, device=device)
    began = time.perf_counter()
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
        model.vilt.pooler(model.vilt.layernorm(model.vilt.encoder(x)[0]))
    synchronise(device)
    return (time.perf_counter() - began) / batch


def ours(model, images, texts, batch, device):
    began = time.perf_counter()
    score_matrix(model, images, texts, batch=batch)
    synchronise(device)
    return (time.perf_counter() - began) / (len(images) * len(texts))


def naive(model, images, texts, device):
    """Seconds a pair of processor, tokenizer and transformers' forward, one pair at a time."""
    processor = ViltImageProcessor(size={"shortest_edge": model.image_size}, size_divisor=model.patch)
    pictures = [Image.fromarray((i.permute(1, 2, 0).numpy() * 255).astype(np.uint8)) for i in images]
    began = time.perf_counter()
    for picture in pictures:
        for text in texts:
            pixels = processor(picture, return_tensors="pt")["pixel_values"].to(device)
            ids = model.tokenize([text])
            with torch.no_grad():
                out = model.vilt(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels)
                model.itm_score["fc"](out.pooler_output)
    synchronise(device)
    return (time.perf_counter() - began) / (len(pictures) * len(texts))


def measure(name, device, *, images, texts, batch, repeats, alone):
    """Medians of times measured in turns, so that all see the same machine."""
    model = load(name, PairScorer).to(device)
    gallery = sources.gallery("pocket", "test")
    pictures = [gallery.images[i] for i in range(images)]
    if model.image_size != pictures[0].shape[-1]:  # Flickr30k's usual shape
        pictures = [torch.rand(3, 384, 512) for _ in pictures]
    told = list(gallery.captions[:texts])
    lengths = [model.token_count(text) for text in told]
    tokens = 1 + np.prod([side // model.patch for side in model.target_size(*pictures[0].shape[-2:])])
    turns = []
    for _ in range(repeats + 1):
        limit = np.average([bare(model, n, tokens, batch, device) for n in sorted(set(lengths))],
                           weights=[lengths.count(n) for n in sorted(set(lengths))])  # fmt: skip
        turns.append((limit, ours(model, pictures, told, batch, device)))
    limit, mine = (statistics.median(column) for column in zip(*turns[1:], strict=True))  # the first one warms up
    ratios = [round(o / b, 3) for b, o in turns[1:]]
    single = naive(model, pictures[: alone[0]], told[: alone[1]], device)
    return {"model": name, "tokens": int(tokens), "bare_ms": 1000 * limit, "ours_ms": 1000 * mine,
            "ratio": statistics.median(ratios), "ratios": ratios, "naive_ms": 1000 * single}  # fmt: skip


def flops(config, length):
    """Of a pair: two for each weight of the blocks and each token, and attention."""
    tokens, width = length + 1 + 12 * 16, config.hidden_size
    return config.num_hidden_layers * (24 * width**2 * tokens + 4 * width * tokens**2)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the published size too (random weights)")
    parser.add_argument("--device", type=usable_device, default="cpu", help="default: cpu")
    arguments = parser.parse_args()
    found = [measure("pocket/vilt-b", arguments.device, images=20, texts=200, batch=256, repeats=5, alone=(2, 30))]
    if arguments.large:
        found.append(
            measure("random/vilt-b32", arguments.device, images=1, texts=48, batch=16, repeats=3, alone=(1, 12))
        )
    record = provenance() | {"device_kind": arguments.device, "models": found}
    (HERE / "retrieval.json").write_text(json.dumps(record, indent=2) + "\n")
    (HERE / "retrieval.md").write_text(rendered(record) + "\n")
    print(rendered(record))


def rendered(record):
    """The figures as Markdown."""
    lines = [
        "# What retrieval costs",
        "",
        "Generated by `python benchmarks/retrieval.py --large`, not edited by hand. Ratios are of one run; milliseconds",
        f"are of this machine and worth nothing elsewhere: {record['device']}, torch {record['torch']}, {record['date']}.",
        "",
        "The bare transformer is blocks, norm and pooler on embeddings that are there already, in batches of the same",
        "lengths. `score_matrix` adds embedding, batching and storing, and saves most of the last block: a ratio below 1",
        "says that it saves more than it adds. The naive loop calls the processor and transformers' forward for each pair.",
        "",
        "| model | image tokens | bare, ms a pair | `score_matrix`, ms a pair | ratio (median; all) | naive, ms a pair | times ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for m in record["models"]:
        lines.append(
            f"| {m['model']} | {m['tokens']} | {m['bare_ms']:.3f} | {m['ours_ms']:.3f} | **{m['ratio']:.2f}** "
            f"({', '.join(map(str, m['ratios']))}) | {m['naive_ms']:.2f} | **{m['naive_ms'] / m['ours_ms']:.1f}** |"
        )
    config, pairs = load("random/vilt-b32", PairScorer).config, IMAGES * CAPTIONS
    work = pairs * flops(config, 20)
    hours = work / (PEAK * SHARE) / 3600
    cells = len(scale("paper").retrieval.cells)
    lines += [
        "",
        f"A search of Flickr30k's test split is {pairs:,} pairs, {work / 1e15:.0f} PFLOP for images of 384 × 512 pixels and",
        f"captions of 20 tokens. An A100 that reaches {SHARE:.0%} of its dense bfloat16 peak needs **{hours:.1f} hours** for it:",
        f"computed, not run. KT Tab. 5 (three searches) is {3 * hours:.1f} hours; the {cells} cells of Tab. 8 searched once on the",
        f"test images are {cells * hours:.0f} hours; with validation images and three seeds, as notebook 04 has it, {6 * cells * hours:.0f}.",
        "ViLT's own log has 87 minutes on eight GPUs for a search.",
    ]
    large = [m for m in record["models"] if m["model"].startswith("random/")]
    if large and record["device_kind"] == "cpu":
        lines.append(
            f"At the rate of {large[0]['model']} on this CPU a search would take {pairs * large[0]['ours_ms'] / 3.6e6:.0f} hours."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
