"""Each verdict on Zoom-shot, on rows made up so that the answer is known."""

from random import Random

import pytest

from ktlib import claims, published
from ktlib import claims_zoom_shot as zs
from ktlib.data.zoom_shot import kinds
from ktlib.evaluate.tradeoff import NotMeasuredError
from ktlib.judging import FAILS, HOLDS, NOT_RUN, UNDECIDED
from ktlib.results import Row
from ktlib.scales import scale

SETS = kinds("pocket")
ZOOM = scale("pocket").zoom_shot
LEVEL = {name: 0.3 + 0.05 * i for i, name in enumerate(SETS)}  # how easy a set is


def rows_of(
    item, method, setting="", *, gain=0.0, models=ZOOM.encoders, metric="top1", names=SETS, noise=0.002, seeds=(0, 1, 2)
):
    """Rows at the level of each set plus a gain: a number, or a function of the set."""
    found = []
    for model in models:
        for name in names:
            for seed in seeds:
                jitter = Random(f"{item}{method}{setting}{model}{name}{seed}").uniform(-noise, noise)
                value = LEVEL[name] + (gain(name) if callable(gain) else gain) + jitter
                found.append(Row(item, "pocket", "pocket", model, name, method, setting, metric, value, value - 0.02,
                                 value + 0.02, 400, seed, "test", "", ""))  # fmt: skip
    return found


def by_encoder(items, method, setting="", **kwargs):
    return [row for item, model in zip(items, ZOOM.encoders, strict=True)
            for row in rows_of(item, method, setting, models=(model,), **kwargs)]  # fmt: skip


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
    rows += rows_of("ZS Tab. 1", "clip", models=(ZOOM.clip,), seeds=(-1,), gain=gains.get("clip", 0.0))
    for model in (*ZOOM.encoders, ZOOM.clip):
        rows += rows_of("ZS Tab. 1", "probe", models=(model,), metric="probe", seeds=(-1,))
    for method in ("zoom_shot", "least_squares"):
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
    rows = []
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


def one_set_only(name):
    """A gain that a single set carries: its interval reaches 0."""
    return 0.4 if name == "cars" else -0.01


CASES = [
    ("Z1", methods(zoom_shot=0.05), HOLDS),
    ("Z1", methods(zoom_shot=0.05, linear_aligner_fixed=0.06), FAILS),  # put right, the baseline is ahead
    ("Z1", methods(zoom_shot=0.005), FAILS),  # below the margin
    ("Z1", methods(zoom_shot=one_set_only), UNDECIDED),
    ("Z2", methods(clip=-0.05), HOLDS),
    ("Z2", methods(clip=0.05), FAILS),
    ("Z3", methods(back=-0.1), HOLDS),
    ("Z3", methods(back=0.1), FAILS),
    ("Z4", losses(**dict.fromkeys(("CC", "CC+PG-KD"), to_chance)), HOLDS),
    ("Z4", losses(**{"CC": to_chance, "CC+PG-KD": -0.05}), FAILS),  # worse than MSE, and yet far above chance
    ("Z5", losses(**{"MSE+CC": 0.03}), HOLDS),
    ("Z5", losses(), FAILS),
    ("Z6", losses(**{"PG-KD": -0.1}), HOLDS),
    ("Z6", losses(**{"PG-KD": -0.1, "weight 10": 0.04}), FAILS),  # one weight helps
    ("Z6", losses(), FAILS),  # alone it is not poor
    ("Z7", losses(All=0.01), HOLDS),
    ("Z7", losses(All=0.01, MSE=0.02), FAILS),
    ("Z8", matched(**{"PG-KD cosines": 0.05}), HOLDS),
    ("Z8", matched(**{"PG-KD cosines": -0.05}), FAILS),
    ("Z9", sizes(**{"share=0.05;epochs=1": -0.05, "share=0.01;epochs=1": -0.1}), HOLDS),
    ("Z9", sizes(**{"share=0.05;epochs=1": -0.05, "share=1;epochs=1": 0.05}), FAILS),  # all of it is better
    ("Z9", sizes(), FAILS),  # a twentieth is as good as a fifth
    ("Z10", sizes(**{"share=0.01;epochs=1": -0.1}), HOLDS),
    ("Z10", sizes(**{"share=0.01;epochs=1": -0.1, "share=0.01;epochs=20": -0.05}), FAILS),
    ("Z11", sizes(**{f"aligner share={s};epochs={e}": -0.05 for s, e in ((0.2, 6), (0.01, 120))}), HOLDS),
    ("Z11", sizes(), FAILS),
    ("Z12", aimed(target=0.1, mixed=0.05), HOLDS),
    ("Z12", aimed(target=-0.1), FAILS),
    ("Z13", scaled(**{"variance=none;rate=chosen": -0.05, "variance=none;rate=of the scaled arm": -0.2}), HOLDS),
    ("Z13", scaled(**{"variance=none;rate=of the scaled arm": -0.2}), FAILS),  # a rate of its own is enough
]  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "rows", "expected"), CASES, ids=[f"{c}-{e}-{i}" for i, (c, _, e) in enumerate(CASES)]
)
def test_a_verdict_follows_from_its_rows(claim, rows, expected):
    found = claims.verdict(claim, rows, "pocket")
    assert found.verdict == expected, found.comparison
    assert found.estimate is not None
    assert "sets" in found.comparison


def test_every_claim_of_zoom_shot_is_tested():
    assert set(zs.CLAIMS) == {claim for claim in published.claims() if claim.startswith("Z")}
    assert {claim for claim, _, _ in CASES} == set(zs.CLAIMS)


@pytest.mark.parametrize("claim", zs.CLAIMS)
def test_without_rows_a_claim_is_not_run_and_says_how(claim):
    found = claims.verdict(claim, rows_of("KT Tab. 1", "kt"), "pocket")
    assert found.verdict == NOT_RUN
    assert found.comparison.endswith("./run_all.sh --scale pocket --only 06 writes them")


def test_one_seed_decides_nothing():
    rows = [row for row in methods(zoom_shot=0.05) if row.seed in (0, -1)]
    assert claims.verdict("Z1", rows, "pocket").verdict == UNDECIDED


def test_a_set_measured_twice_is_refused():
    rows = rows_of("ZS Tab. 1", "zoom_shot")
    with pytest.raises(ValueError, match="two rows beside ZS Tab. 1"):
        zs.tables([*rows, rows[0]], "ZS Tab. 1", "zoom_shot")
    with pytest.raises(NotMeasuredError, match="there are no test rows of zoom_shot, losses=All beside ZS Tab. 3"):
        zs.tables(rows, zs.LOSSES, "zoom_shot", "losses=All")


def test_paper_rows_stand_beside_the_printed_numbers_they_measure():
    printed = [n for n in published.numbers() if n.item.startswith("ZS ") and n.metric == "top1"]
    settings = {
        "ZS Tab. 1": ("linear_aligner", ""), "ZS Tab. 2": ("zoom_shot", "mapping=h_inv"),
        "ZS Tab. 12": ("zoom_shot", "losses=CC+PG-KD"), "ZS Tab. 4": ("zoom_shot", "share=0.01;epochs=20"),
        "ZS Tab. 20": ("linear_aligner", "share=0.2;epochs=6"), "ZS Tab. 6": ("zoom_shot", "train=target"),
        "ZS Tab. 8": ("zoom_shot", "losses=PG-KD;matching=ht_ce;temperature=20"),
    }  # fmt: skip
    for item, (method, setting) in settings.items():
        row = Row(item, "paper", "files", "timm/vit_base_patch14_dinov2.lvd142m", "CIFAR-10", method, setting, "top1",
                  0.5, 0.4, 0.6, 100, 0, "test", "", "")  # fmt: skip
        if item == "ZS Tab. 4":
            row = Row(*[("torchvision/mobilenet_v3_small" if v == row.model else v) for v in vars(row).values()])
        found = [n for n in printed if published.beside(n, [row])]
        assert {n.item for n in found} == {item}, item
        assert {n.dataset for n in found} == {"CIFAR-10", "Average"}, item
        assert len(found) == 2, item
