"""A laboratory on features made by hand: two spaces that a matrix joins, for tests of maps and of their tables."""

from dataclasses import replace

import torch
from PIL import Image

from ktlib.companion import scales
from ktlib.companion.sources import Sets
from ktlib.companion.studies.zoom_shot.laboratory import RAW, TRAIN, Laboratory
from ktlib.data.sets import LabelledImages
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings

CLASSES, WIDTH = 6, 12
ENCODERS = ("good", "useless")


def labelled(name, count):
    def read(index):
        return Image.new("RGB", (8, 8), (index % 256, 0, 0))

    labels = tuple(i % CLASSES for i in range(count))
    return LabelledImages(name, read, labels, tuple("abcdef"), ("a {}",), f"{name} {count}")


def made_up(cache):
    """`good` sees what CLIP sees, turned; `useless` sees noise. Set `two` has a target, `one` has none."""
    g = torch.Generator().manual_seed(0)
    classes = torch.randn(CLASSES, WIDTH, generator=g)
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=g)).Q
    tests = {"one": labelled("one", 60), "two": labelled("two", 120)}
    validation = {"three": labelled("three", 60)}
    targets = {"two": labelled("two, train", 90)}
    train = labelled(TRAIN, 600)
    everything = {TRAIN: train, "train: two": targets["two"]} | tests | validation
    features = {}
    for name, images in everything.items():
        clip = classes[list(images.labels)] + 0.3 * torch.randn(len(images), WIDTH, generator=g)
        features["clip", name] = clip.half()
        features["good", name] = (clip @ turn + 0.1 * torch.randn(clip.shape, generator=g)).half()
        features["useless", name] = torch.randn(len(images), WIDTH + 3, generator=g).half()
    features[RAW, TRAIN] = (features["clip", TRAIN].float() @ turn).half()  # a space that is not CLIP's
    pocket = scales.scale("pocket")
    zoom = replace(
        pocket.zoom_shot, clip="clip", encoders=ENCODERS, strongest="good", rates=(0.01, 0.1),
        settings=ZoomShotSettings(batch=20), aligner=AlignerSettings(batch=20, lr=0.1), aligner_rates=(0.1, 0.3),
        share=0.5,
    )  # fmt: skip
    return Laboratory(
        replace(pocket, zoom_shot=zoom), Sets("made up", train, tests, targets, ("p",) * 5, validation), "clip",
        ENCODERS, features, dict.fromkeys([*tests, *validation], classes), torch.randn(5, WIDTH, generator=g),
        {"clip": "c", "good": "g", "useless": "u"}, cache,
    )  # fmt: skip
