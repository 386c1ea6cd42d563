"""Numbers that can be, and what is said of the others."""

import math
from dataclasses import dataclass

import pytest
import torch

from ktlib import AlignerSettings, InversionSettings, MatchingSettings, TransferSettings, ZoomShotSettings, bounds
from ktlib.augment import affine_views
from ktlib.captioning import CaptioningSettings


@dataclass
class Settings:
    rate: object = 0.1
    sides: tuple[object, ...] = (1, 2)


@pytest.mark.parametrize(
    ("bound", "good", "bad"),
    [
        (bounds.COUNT, [1, 10**9], [0, -1, 1.0, 1.5, True, "1", math.nan]),
        (bounds.INDEX, [0, 3], [-1, 0.0, False]),
        (bounds.POSITIVE, [1e-30, 1], [0, 0.0, -1, math.inf, math.nan, True, "x"]),
        (bounds.NOT_NEGATIVE, [0, 0.0, 5], [-1e-30, math.inf, math.nan]),
        (bounds.SHARE, [0, 0.5, 1], [-0.1, 1.1, math.nan]),
        (bounds.FINITE, [-5, 0, 1e300], [math.inf, -math.inf, math.nan]),
        (bounds.LIMIT, [1, math.inf], [0, -math.inf, math.nan]),
    ],
    ids=str,
)
def test_a_bound_lets_through_what_can_be(bound, good, bad):
    for value in good:
        bounds.check(Settings(rate=value), rate=bound)
    for value in bad:
        with pytest.raises(ValueError, match=f"expected rate of Settings to be {bound}, found"):
            bounds.check(Settings(rate=value), rate=bound)


def test_none_is_not_looked_at_and_every_number_of_a_tuple_is():
    bounds.check(Settings(rate=None), rate=bounds.COUNT)
    with pytest.raises(
        ValueError, match=r"expected sides of Settings to be a whole number of 1 or more, found \(1, 0\)"
    ):
        bounds.check(Settings(sides=(1, 0)), sides=bounds.COUNT)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.0, True, "1", None])
def test_a_seed_has_64_bits(seed):
    for fine in (0, 2**64 - 1):
        bounds.check_seed(fine)
    with pytest.raises(ValueError, match="expected a seed of 64 bits"):
        bounds.check_seed(seed)


NAN, INF = math.nan, math.inf
IMPOSSIBLE = [
    (InversionSettings, {"steps": 0}), (InversionSettings, {"lr": NAN}),
    (InversionSettings, {"lr": INF}), (InversionSettings, {"tv": -1.0}), (InversionSettings, {"rotation": NAN}),
    (InversionSettings, {"translation": INF}), (InversionSettings, {"scale": (0.0, 0.0)}),
    (InversionSettings, {"scale": (NAN, 1.0)}), (InversionSettings, {"probability": 1.5}),
    (InversionSettings, {"views": 0}), (InversionSettings, {"clip": NAN}), (InversionSettings, {"layer": -1}),
    (InversionSettings, {"sizes": ()}), (InversionSettings, {"sizes": ((0, 0),)}),
    (TransferSettings, {"lr": NAN}), (TransferSettings, {"epochs": 0}), (TransferSettings, {"epochs": -1}),
    (TransferSettings, {"batch": 0}), (TransferSettings, {"temperature": 0.0}),
    (TransferSettings, {"betas": (2.0, 0.9)}),
    (TransferSettings, {"interpolation": NAN}), (TransferSettings, {"lora_rank": 0}), (TransferSettings, {"layer": -1}),
    (MatchingSettings, {"masked": NAN}), (MatchingSettings, {"weight_decay": -0.1}),
    (CaptioningSettings, {"captioning": NAN}), (CaptioningSettings, {"contrast": INF}),
    (ZoomShotSettings, {"lr": NAN}), (ZoomShotSettings, {"epochs": 0}), (ZoomShotSettings, {"batch": 0}),
    (ZoomShotSettings, {"variance": -4.5}), (ZoomShotSettings, {"cycle": NAN}),
    (ZoomShotSettings, {"temperature": 0.0}),
    (AlignerSettings, {"variance": NAN}), (AlignerSettings, {"epochs": 0}), (AlignerSettings, {"period": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change"), IMPOSSIBLE, ids=lambda value: str(getattr(value, "__name__", value)))
def test_settings_that_cannot_be_are_refused(kind, change):
    with pytest.raises(ValueError, match="expected"):
        kind(**change)


@pytest.mark.parametrize("change", [{"scale": (0.0, 0.0)}, {"rotation": NAN}, {"translation": INF}])
def test_views_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError, match="expected finite numbers and a scale above 0"):
        affine_views(torch.rand(1, 3, 8, 8), torch.zeros(1, 5), **change)
