"""Rows of Zoom-shot's items with any gains one likes, for tests of what is made of rows."""

from random import Random

from ktlib.companion.scales import scale
from ktlib.companion.sources import kinds
from ktlib.companion.studies.zoom_shot import claims as zs
from tests.rows import row

SETS = kinds("pocket")
ZOOM = scale("pocket").zoom_shot
LEVEL = {name: 0.3 + 0.05 * i for i, name in enumerate(SETS)}  # how easy a set is


def rows_of(
    item, method, varied="", *, gain=0.0, models=ZOOM.encoders, metric="top1", names=SETS, noise=0.002, seeds=(0, 1, 2)
):
    """Rows at the level of each set plus a gain: a number, or a function of the set."""
    found = []
    for model in models:
        for name in names:
            for seed in seeds:
                jitter = Random(f"{item}{method}{varied}{model}{name}{seed}").uniform(-noise, noise)
                value = LEVEL[name] + (gain(name) if callable(gain) else gain) + jitter
                interval = {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 400}
                of = {"item": item, "model": model, "subject": name, "method": method, "varied": varied}
                found.append(row(**of, **interval, metric=metric, seed=seed))
    return found


def by_encoder(items, method, varied="", **kwargs):
    return [row for item, model in zip(items, ZOOM.encoders, strict=True)
            for row in rows_of(item, method, varied, models=(model,), **kwargs)]  # fmt: skip


def methods(**gains):
    rows = []
    for method in (
        "zoom_shot",
        "linear_aligner",
        "linear_aligner_fixed",
        "linear_aligner_tuned",
        "mse_adam",
        "least_squares",
    ):
        rows += rows_of("ZS Tab. 1", method, gain=gains.get(method, 0.0))
    rows += rows_of("ZS Tab. 1", "clip", models=(ZOOM.clip,), seeds=(None,), gain=gains.get("clip", 0.0))
    for model in (*ZOOM.encoders, ZOOM.clip):
        rows += rows_of("ZS Tab. 1", "probe", models=(model,), metric="probe", seeds=(None,))
    for method in ("zoom_shot", "mse_adam", "least_squares"):
        rows += rows_of("ZS Tab. 2", method, "mapping=h_inv", gain=gains.get("back", 0.0))
    return rows


def losses(**gains):
    rows = methods()
    for name in ("MSE", "MSE+PG-KD", "MSE+CC", "PG-KD", "CC", "CC+PG-KD", "All"):
        rows += by_encoder(zs.LOSSES, "zoom_shot", f"losses={name}", gain=gains.get(name, 0.0))
    for weight in ("0.1", "1", "10", "100"):
        rows += rows_of(zs.WEIGHTS, "zoom_shot", f"weight={weight}", gain=gains.get(f"weight {weight}", 0.0))
    return rows


def to_chance(name):
    return 1 / SETS[name].classes - LEVEL[name]


def sizes(**gains):
    rows = methods(linear_aligner_fixed=gains.get("linear_aligner_fixed", 0.0))
    for share, epochs in ((1, 1), (0.2, 1), (0.05, 1), (0.01, 1), (0.01, 20)):
        key = f"share={share};epochs={epochs}"
        rows += by_encoder(zs.SIZES, "zoom_shot", key, gain=gains.get(key, 0.0))
    for share, epochs in ((1, 6), (0.2, 6), (0.01, 6), (0.01, 20), (0.01, 120)):
        key = f"share={share};epochs={epochs}"
        rows += by_encoder(zs.ALIGNER_SIZES, "linear_aligner", key, gain=gains.get(f"aligner {key}", 0.0))
    return rows


def matched(**gains):
    rows = []
    for item in ("ZS Tab. 7", "ZS Tab. 8"):
        for losses_ in ("PG-KD", "All"):
            for matching in ("cosines", "ht_ce;temperature=20"):
                gain = gains.get(f"{losses_} {matching}", 0.0)
                rows += rows_of(item, "zoom_shot", f"losses={losses_};matching={matching}", gain=gain)
    return rows


def aimed(**gains):
    names = [name for name, kind in SETS.items() if not kind.like.startswith("ImageNet")]
    rows = []
    for arm in ("ImageNet", "target", "mixed"):
        rows += rows_of("ZS Tab. 6", "zoom_shot", f"train={arm}", gain=gains.get(arm, 0.0), names=names)
    return rows


def scaled(**gains):
    arms = ("variance=4.5;rate=chosen", "variance=none;rate=chosen", "variance=none;rate=of the scaled arm")
    return [row for arm in arms for row in rows_of(zs.RESCALING, "zoom_shot", arm, gain=gains.get(arm, 0.0))]
