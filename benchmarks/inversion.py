"""What inversion costs, in ratios of one run: `python benchmarks/inversion.py [--large] [--device cuda]`.

(a) a step of `invert` against the bare encoder's forward and backward on the same batch,
(b) all images at once against one image at a time with 13 views, as the published script does,
(c) steps and seconds to a given similarity for each schedule,
(d) with --published, KT v2, Fig. 6: 1000 images of ViT-B/32 at 5000 steps, in float32, in bfloat16 and compiled, with
    the similarity of the finished images in float32, for a speed that costs similarity is none.

Writes `benchmarks/inversion.json`; the figures in `benchmarks/README.md` are rendered from it.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

import ktlib
from ktlib import memory
from ktlib.companion.asked import usable_device
from ktlib.companion.record.rows import provenance
from ktlib.companion.scales import SCALES
from ktlib.inversion import InversionSettings
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.folds import FOLDS

HERE = Path(__file__).parent
PUBLISHED_SECONDS, PUBLISHED_IMAGES, PUBLISHED_STEPS = 3460, 1000, 5000  # KT v2, Fig. 6, ViT-B/32


def synchronise(device):
    if device != "cpu":
        torch.cuda.synchronize()


def bare(model, batch, device):
    """Seconds of one forward and backward of the encoder to the pixels, nothing else."""
    images = torch.rand(batch, 3, model.image_size, model.image_size, device=device, requires_grad=True)
    began = time.perf_counter()
    features = model.encode_image(images)
    torch.autograd.grad(features.sum(), images)
    synchronise(device)
    return time.perf_counter() - began


def full(model, descriptions, count, steps, settings, device):
    """Seconds of one step of `invert` at the final size, start-up left out by difference."""
    spent = []
    for n in (1, 1 + steps):
        began = time.perf_counter()
        ktlib.invert(model, descriptions, images_per_concept=count, settings=replace(settings, steps=n), progress=False)
        synchronise(device)
        spent.append(time.perf_counter() - began)
    return (spent[1] - spent[0]) / steps


def overhead(name, descriptions, count, steps, repeats, device, precision="float32"):
    """Median seconds an image-step, bare and full, measured in turns so that both see the same machine."""
    model = ktlib.load(name).to(device)
    settings = InversionSettings(sizes=((0, model.image_size),), schedule="constant", precision=precision)
    batch = count * len(descriptions)
    bare(model, batch, device)
    full(model, descriptions, count, 1, settings, device)
    pairs = []
    for _ in range(repeats):
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            limit = statistics.median(bare(model, batch, device) for _ in range(steps))
        pairs.append((limit / batch, full(model, descriptions, count, steps, settings, device) / batch))
    limit, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(o / b for b, o in pairs)
    return {"model": name, "images": batch, "bare_ms": 1000 * limit, "invert_ms": 1000 * ours, "ratio": ratio,
            "ratios": [round(o / b, 3) for b, o in pairs], "precision": precision}  # fmt: skip


def one_at_a_time(name, descriptions, steps):
    """Seconds a step and finished image: ten images side by side, and one with 13 views, as published."""
    model = ktlib.load(name)
    settings = InversionSettings(sizes=((0, model.image_size),), schedule="constant")
    together = full(model, descriptions, 10, steps, settings, "cpu") / (10 * len(descriptions))
    alone = full(model, descriptions[:1], 1, steps, replace(settings, views=13), "cpu")
    single = full(model, descriptions[:1], 1, steps, settings, "cpu")
    return {"model": name, "together_ms": 1000 * together, "one_with_13_views_ms": 1000 * alone,
            "one_with_1_view_ms": 1000 * single, "ratio": alone / together}  # fmt: skip


def schedules(name, descriptions, goals):
    """First step, and seconds until then, at which the mean similarity reaches each goal."""
    model, recipe = ktlib.load(name), SCALES["pocket"].clip.inversion
    flat = ((0, model.image_size),)
    variants = {
        "kt, growing": recipe,
        "kt, full size": replace(recipe, sizes=flat),
        "cosine, growing": replace(recipe, schedule="cosine"),
        "cosine, full size": replace(recipe, schedule="cosine", sizes=flat),
        "constant, full size": replace(recipe, schedule="constant", sizes=flat),
        "clipinversion, growing": replace(recipe, schedule="clipinversion"),
    }
    table = []
    for label, settings in variants.items():
        found = ktlib.invert(model, descriptions, settings=settings, progress=False)
        curve = found.similarity.mean(0)
        row = {"schedule": label, "seconds": found.seconds, "final": found.final.mean().item()}
        for goal in goals:
            reached = (curve >= goal).nonzero()
            step = int(reached[0]) + 1 if len(reached) else None
            seconds = None
            if step:  # the growing schedule has cheap steps first, so time the part itself
                began = time.perf_counter()
                shorter = replace(settings, steps=settings.steps)
                _stop_after(model, descriptions, shorter, step)
                seconds = time.perf_counter() - began
            row[f"steps to {goal}"], row[f"seconds to {goal}"] = step, seconds
        table.append(row)
    return table


def _stop_after(model, descriptions, settings, step):
    """Run the first `step` steps of a schedule."""
    import ktlib.inversion as inversion

    rate = inversion.learning_rate
    short = replace(settings, steps=step, sizes=tuple(s for s in settings.sizes if s[0] < step))
    inversion.learning_rate = lambda _, now: rate(settings, now)
    try:
        ktlib.invert(model, descriptions, settings=short, progress=False)
    finally:
        inversion.learning_rate = rate


VARIANTS = {"float32": ("float32", False), "bfloat16": ("bfloat16", False), "bfloat16, compiled": ("bfloat16", True)}
KEPT = 0.005  # a mean similarity that lies lower than that of float32 by more is not kept


def published(name, count, steps, device, variants=VARIANTS):
    """Seconds of the whole inversion of KT v2, Fig. 6, and what similarity is left, for each variant."""
    table = []
    for label, (precision, compiled) in variants.items():
        model = ktlib.load(name).to(device)
        if compiled:
            model.visual.compile(mode="max-autotune" if device == "cuda" else None)  # CUDA graphs too, on a GPU
        settings = replace(InversionSettings().stretched(steps), precision=precision)
        from_here = time.monotonic()
        seeds = list(range(max(1, count // 10)))
        synchronise(device)
        began = time.perf_counter()
        found = ktlib.invert(model, ["a circular stone archway"] * len(seeds), seed=seeds, settings=settings)
        synchronise(device)
        seconds = time.perf_counter() - began
        plain = ktlib.load(name).to(device)  # neither compiled nor rounded
        target = plain.target(found.descriptions[:1])
        with torch.no_grad():
            every = found.images.flatten(0, 1).split(250)
            similar = torch.cat([plain.score(part.to(device), target.expand(len(part), -1))[1].cpu() for part in every])
        table.append({"variant": label, "model": name, "images": 10 * len(seeds), "steps": steps, "seconds": seconds,
                      "similarity": similar.mean().item(), "halved": memory.noted(from_here)})  # fmt: skip
        row, first = table[-1], table[0]
        row["kept"] = row["similarity"] >= first["similarity"] - KEPT
        print(json.dumps(row), flush=True)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also random weights at the size of ViT-B/32 (minutes)")
    parser.add_argument("--published", action="store_true", help="KT v2, Fig. 6, whole: an hour or more on a GPU")
    parser.add_argument("--model", default="openai/ViT-B-32", help="of --published; random/ViT-B-32 costs the same")
    parser.add_argument("--images", type=int, default=PUBLISHED_IMAGES, help="of --published, in tens")
    parser.add_argument("--steps", type=int, default=PUBLISHED_STEPS, help="of --published")
    parser.add_argument("--device", type=usable_device, default="cpu", help="default: cpu")
    arguments = parser.parse_args()
    if arguments.published:  # beside what was measured before
        record = json.loads((HERE / "inversion.json").read_text())
        table = published(arguments.model, arguments.images, arguments.steps, arguments.device)
        if (arguments.device, arguments.images, arguments.steps) != ("cuda", PUBLISHED_IMAGES, PUBLISHED_STEPS):
            print("nothing was recorded: expected --device cuda with the published images and steps")
            return
        record["published"] = {"machine": provenance(), "rows": table}
        (HERE / "inversion.json").write_text(json.dumps(record, indent=2) + "\n")
        (HERE / "README.md").write_text(readable(record))
        return
    descriptions = [DESCRIBED[name].medium for name in FOLDS[0].held_out]
    record = {"machine": provenance(), "overhead": [], "alone": [], "schedules": []}
    for name in ("pocket/clip-b-0", "pocket/clip-l-0"):
        record["overhead"].append(overhead(name, descriptions[:6], 10, 20, 7, arguments.device))
    if arguments.large or arguments.device == "cuda":
        many = arguments.device == "cuda"
        sentences = ["a circular stone archway"] * (100 if many else 1)
        for precision in ("float32", "bfloat16") if many else ("float32",):
            measured = overhead("random/ViT-B-32", sentences, 10, 20 if many else 3, 5, arguments.device, precision)
            measured["hours for 1000 images"] = measured["invert_ms"] / 1e3 * PUBLISHED_IMAGES * PUBLISHED_STEPS / 3600
            record["overhead"].append(measured)
    if arguments.device == "cpu":
        record["alone"].append(one_at_a_time("pocket/clip-b-0", descriptions[:6], 20))
        record["schedules"] = schedules("pocket/clip-b-0", descriptions[:3], (0.8, 0.9))
    (HERE / "inversion.json").write_text(json.dumps(record, indent=2) + "\n")
    (HERE / "README.md").write_text(readable(record))
    print(readable(record))


def readable(record):
    """The figures as Markdown."""
    machine = record["machine"]
    lines = [
        "# What inversion costs",
        "",
        "Generated by `python benchmarks/inversion.py --large`, not edited by hand. Ratios are of one run; milliseconds",
        f"are of this machine and worth nothing elsewhere: {machine['device']}, torch {machine['torch']}, {machine['date']}.",
        "",
        "## Against the bare encoder",
        "",
        "The bare encoder is one forward and one backward pass to the pixels, on the same batch, and nothing else: no",
        "method can be faster without another encoder. What `invert` adds: affine views, total variation, clipping, Adam.",
        "",
        "| model | images at once | bare, ms an image-step | `invert`, ms an image-step | ratio (median; all) |",
        "|---|---|---|---|---|",
    ]
    for row in record["overhead"]:
        spread = ", ".join(f"{r:.2f}" for r in row["ratios"])
        lines.append(
            f"| {row['model']} ({row['precision']}) | {row['images']} | {row['bare_ms']:.2f} | {row['invert_ms']:.2f} "
            f"| **{row['ratio']:.2f}** ({spread}) |"
        )
    for row in record["overhead"]:
        if "hours for 1000 images" in row:
            lines += [
                "",
                f"KT v2, Fig. 6 reports {PUBLISHED_SECONDS} s on a GPU for {PUBLISHED_IMAGES} images of ViT-B/32 at "
                f"{PUBLISHED_STEPS} steps. At the rate of {row['model']} ({row['precision']}) here that would take "
                f"**{row['hours for 1000 images']:.1f} hours**: computed, not run.",
            ]
    if machine["device"].startswith("CPU"):
        lines += [
            "",
            "No GPU was at hand. `python benchmarks/inversion.py --device cuda` measures float32 and bfloat16 on one.",
        ]
    lines += ["", "## KT v2, Fig. 6, whole", ""]
    if measured := record.get("published"):
        lines += [
            f"{PUBLISHED_IMAGES} images at {PUBLISHED_STEPS} steps on {measured['machine']['device']}, torch "
            f"{measured['machine']['torch']}, {measured['machine']['date']}; {PUBLISHED_SECONDS} s in the paper.",
            "",
            "| variant | seconds | similarity in float32 | kept | batch halved to |",
            "|---|---|---|---|---|",
        ]
        for row in measured["rows"]:
            halved = ", ".join(f"{count} jobs" for count in row["halved"].values()) or "–"
            lines.append(
                f"| {row['variant']} | {row['seconds']:.0f} | {row['similarity']:.4f} "
                f"| {'yes' if row['kept'] else '**no**'} | {halved} |"
            )
    else:
        lines += [
            "**Untested on a GPU.** `python benchmarks/inversion.py --published --device cuda` runs it in float32, in",
            "bfloat16 and compiled, and says which of them keep the similarity. Its path was run on a CPU alone, with",
            "fewer images and steps.",
        ]
    for row in record["alone"]:
        lines += [
            "",
            "## Against one image at a time",
            "",
            f"{row['model']}: ten images of each of six concepts side by side take {row['together_ms']:.2f} ms an "
            "image-step; "
            f"one image with 13 views, as CLIPInversion's script has it, {row['one_with_13_views_ms']:.2f} ms "
            f"(**{row['ratio']:.1f} times** as much); one image with one view {row['one_with_1_view_ms']:.2f} ms.",
        ]
    if record["schedules"]:
        keys = [k for k in record["schedules"][0] if k not in ("schedule",)]
        lines += ["", "## Steps and seconds to a similarity, by schedule", ""]
        lines += ["Three concepts, ten images each, the pocket recipe; similarity is that of the augmented views.", ""]
        lines += ["| schedule | " + " | ".join(keys) + " |", "|---" * (len(keys) + 1) + "|"]
        for row in record["schedules"]:
            cells = ["–" if row[k] is None else f"{row[k]:.3g}" for k in keys]
            lines.append(f"| {row['schedule']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
