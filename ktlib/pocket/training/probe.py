"""Linear probes: what a straight line can read from an encoder's features.

The pictures come from the streams `("probe", part, task, index)`: no training sees them, and neither
does the examination of `world.pictures`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from ktlib.pocket import scenes, world
from ktlib.pocket.drawings import BRIGHT
from ktlib.pocket.objects import OBJECTS, painted


def _object(rng: Random) -> tuple[Image.Image, str]:
    name = rng.choice(list(OBJECTS))
    return painted(name, rng)[0], name


def _colour(rng: Random) -> tuple[Image.Image, str]:
    image, colours = painted("car", rng)
    return image, colours["a"]


def _shape(rng: Random) -> tuple[Image.Image, str]:
    picture = scenes.single(rng)
    return picture.image, picture.caption.split()[-1]


# What is to be told apart, how it is drawn, its classes, and test pictures a class.
TASKS: dict[str, tuple[Callable[[Random], tuple[Image.Image, str]], tuple[str, ...], int]] = {
    "objects": (_object, tuple(OBJECTS), 20),
    "colours of a car": (_colour, BRIGHT, 60),
    "shapes": (_shape, scenes.SHAPES, 60),
}
TRAINING = 30  # pictures a class
RIDGES = tuple(10.0 ** (k / 2) for k in range(-6, 5))  # times the number of pictures; the best by leave-one-out


def examples(task: str, part: str, per_class: int) -> tuple[Float[Tensor, "n 3 64 64"], Int[Tensor, " n"]]:
    """As many pictures of each class of a task, and their classes."""
    draw, classes, _ = TASKS[task]
    wanted, images, labels, index = dict.fromkeys(classes, per_class), [], [], 0
    while any(wanted.values()):
        image, label = draw(world.stream("probe", part, task, index))
        index += 1
        if wanted[label]:
            wanted[label] -= 1
            images.append(image)
            labels.append(classes.index(label))
    return world.to_tensor(images), torch.tensor(labels)


def accuracy(
    train: Float[Tensor, "n dim"],
    train_labels: Int[Tensor, " n"],
    test: Float[Tensor, "m dim"],
    test_labels: Int[Tensor, " m"],
) -> float:
    """Accuracy of ridge regression on one-hot classes; a fraction.

    Features are standardised. The strength of the ridge is the one with the smallest squared error
    when each training picture in turn is left out, which has a closed form.
    """
    mean, std = train.mean(0), train.std(0).clamp(min=1e-6)
    x, y = ((train - mean) / std).double(), F.one_hot(train_labels).double()
    centre = y.mean(0)
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    best, error = torch.zeros(x.shape[1], y.shape[1], dtype=x.dtype), float("inf")
    for ridge in RIDGES:
        shrink = s.square() / (s.square() + ridge * len(x))
        rest = y - centre - (u * shrink) @ (u.T @ (y - centre))
        left_out = rest / (1 - (u.square() * shrink).sum(1, keepdim=True) - 1 / len(x))
        if left_out.square().mean() < error:
            error = left_out.square().mean().item()
            best = vt.T @ ((shrink / s.clamp(min=1e-12))[:, None] * (u.T @ (y - centre)))
    guess = ((test - mean) / std).double() @ best + centre
    return (guess.argmax(1) == test_labels).double().mean().item()


def sizes() -> dict[str, dict[str, int]]:
    """Pictures of each task, for training the probe and for testing it."""
    return {t: {"training": TRAINING * len(c), "test": n * len(c)} for t, (_, c, n) in TASKS.items()}


def scores(features: Callable[[Tensor], Tensor], *, part: str = "test") -> dict[str, float]:
    """Accuracy of a linear probe on each task.

    Args:
        features: maps pictures (batch, 3, 64, 64) in [0, 1] to features.
        part: `test` for what is reported, `validation` for what settings are chosen by.
    """
    found = {}
    for task, (_, _, count) in TASKS.items():
        pictures = [examples(task, name, n) for name, n in (("training", TRAINING), (part, count))]
        encoded = [(torch.cat([features(b) for b in x.split(256)]), y) for x, y in pictures]
        found[task] = round(accuracy(*encoded[0], *encoded[1]), 4)
    return found
