"""Draws are paired, take twins together, and give the interval that a formula gives."""

from dataclasses import replace

import numpy as np
import pytest

from ktlib.companion.studies.captioning.draws import DRAWS, Draw, share
from ktlib.evaluate.captioning import CaptionScores


def scores(values, metric="cider"):
    """Of a metric that is a mean over images."""
    values = np.asarray(values, float)
    names = tuple(str(number) for number in range(len(values)))
    counts = np.stack([values, np.ones(len(values))], 1)
    each = dict(zip(names, values.tolist(), strict=True))
    return CaptionScores({metric: float(values.mean())}, {metric: each}, {}, {}, (), {metric: counts}, names)


RANDOM = np.random.default_rng(1)
ONE, OTHER = RANDOM.normal(0.3, 0.2, 200), RANDOM.normal(0.1, 0.2, 200)


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says():
    found = Draw([(scores(OTHER), scores(ONE))]).change("cider")
    error = (ONE - OTHER).std(ddof=1) / 200**0.5
    assert found.value == pytest.approx((ONE - OTHER).mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_what_is_the_same_differs_by_nothing_in_every_draw():
    draw = Draw([(scores(ONE), scores(ONE))] * 2)
    assert np.array_equal(draw.drawn("cider"), np.zeros(DRAWS))


def test_seeds_that_disagree_widen_the_interval():
    agree = Draw([(scores(OTHER), scores(ONE))] * 3).change("cider")
    apart = Draw([(scores(OTHER), scores(ONE + shift)) for shift in (-0.2, 0, 0.2)]).change("cider")
    assert apart.value == pytest.approx(agree.value)
    assert apart.high - apart.low > 2 * (agree.high - agree.low)


def test_twins_are_drawn_together():
    twice = [(scores(np.repeat(OTHER, 2)), scores(np.repeat(ONE, 2)))]
    units = np.repeat(np.arange(200), 2).tolist()
    alone, together = Draw(twice).change("cider"), Draw(twice, units).change("cider")
    single = Draw([(scores(OTHER), scores(ONE))]).change("cider")
    assert together.high - together.low == pytest.approx(single.high - single.low, rel=0.05)
    assert alone.high - alone.low < 0.85 * (together.high - together.low)


def test_a_share_is_paired_draw_by_draw():
    whole = Draw([(scores(OTHER), scores(OTHER + 0.4))])
    half = Draw([(scores(OTHER), scores(OTHER + 0.2))])
    assert share(half, whole, "cider") == pytest.approx((0.5, 0.5, 0.5))
    noisy = share(Draw([(scores(OTHER), scores(ONE))]), whole, "cider")
    assert noisy.low < 0.5 < noisy.high and noisy.value == pytest.approx((ONE - OTHER).mean() / 0.4)


def test_a_gain_that_may_be_nothing_has_no_shares():
    nothing = Draw([(scores(ONE), scores(ONE[::-1].copy()))])
    assert nothing.change("cider").low < 0 and share(nothing, nothing, "cider") is None


def test_only_what_both_sides_have_is_compared_and_other_images_are_refused():
    assert Draw([(scores(ONE), scores(ONE))]).metrics == ["cider"]
    assert Draw([(scores(ONE), scores(ONE, "bleu4"))]).metrics == []
    with pytest.raises(
        ValueError, match=r"expected captions of the same images before and after, found sets of \[3, 200\]"
    ):
        Draw([(scores(ONE), scores(ONE[:3]))])


def test_draws_in_which_nobody_sees_a_gain_have_no_share():
    """A few images hold all of it, and now and then none of them is drawn: nothing of nothing is no number."""
    gain, half = np.zeros(200), np.zeros(200)
    gain[:4], half[:2] = 1.0, 1.0  # a draw of 200 has none of the four with a probability of 0.018
    before = scores(np.zeros(200))
    whole, part = Draw([(before, scores(gain))]), Draw([(before, scores(half))])
    assert whole.change("cider").low > 0 and (whole.drawn("cider") == 0).any()
    with np.errstate(all="raise"):
        found = share(part, whole, "cider")
    assert found.value == 0.5 and found.low == 0 and found.high == 1


def test_differences_that_are_not_paired_share_nothing():
    one = scores(OTHER), scores(OTHER + 0.4)
    with pytest.raises(ValueError, match="found 200 and 200 images, 1 and 3 seeds"):
        share(Draw([one]), Draw([one] * 3), "cider")


def test_words_that_were_split_otherwise_are_not_compared():
    with pytest.raises(ValueError, match="expected captions whose words were split alike"):
        Draw([(scores(ONE), replace(scores(ONE), plain=True))])
