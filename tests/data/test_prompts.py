"""Prompts of the published sets, as CLIP has them."""

from __future__ import annotations

import pytest

from ktlib.data import prompts


def test_prompts_are_as_many_as_clip_has() -> None:
    counts = {"CIFAR-10": 18, "CIFAR-100": 18, "Flowers-102": 1, "Oxford-IIIT Pets": 1, "Stanford Cars": 8}
    for name, count in (counts | {"ImageNet": 80, "ImageNet-100": 80, "ImageNet-1000": 80}).items():
        found = prompts.templates(name)
        assert len(found) == len(set(found)) == count
    assert all(len(prompts.templates(name)) == 1 for name in ("CUB-200", "Herbarium-19"))  # CLIP has none for these


def test_prompts_of_cifar_and_cars_are_built_as_clip_writes_them() -> None:
    """The lists of `data/prompts.md` of openai/CLIP, in its order and written out."""
    looks = ["photo", "blurry photo", "black and white photo", "low contrast photo", "high contrast photo"]
    plain = [f"a {look} of a {{}}." for look in [*looks, "bad photo", "good photo"]]
    plain += ["a photo of a small {}.", "a photo of a big {}."]
    assert list(prompts.templates("CIFAR-10")) == plain + [prompt.replace("of a", "of the") for prompt in plain]
    assert prompts.templates("CIFAR-100") == prompts.templates("CIFAR-10")
    assert list(prompts.templates("Stanford Cars")) == [
        "a photo of a {}.",
        "a photo of the {}.",
        "a photo of my {}.",
        "i love my {}!",
        "a photo of my dirty {}.",
        "a photo of my clean {}.",
        "a photo of my new {}.",
        "a photo of my old {}.",
    ]


def test_prompts_of_imagenet_are_open_clip_s() -> None:
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    filled = [template.replace("{}", "crane") for template in prompts.templates("ImageNet-1000")]
    assert filled == [fill("crane") for fill in OPENAI_IMAGENET_TEMPLATES]


def test_a_set_without_prompts_is_named() -> None:
    with pytest.raises(KeyError, match="expected a set of CIFAR-10, .*or ImageNet, found 'SUN397'; add its prompts"):
        prompts.templates("SUN397")


def test_the_papers_own_prompts_are_read_whole() -> None:
    found = prompts.published("kt_caption_templates")
    assert len(found) == len(set(found)) == 26 and found[0] == "a bad photo of a {}."
    assert set(found) <= set(prompts.templates("ImageNet")), "KT takes 26 of CLIP's 80"
    assert len(prompts.published("zoomshot_pgkd")) == 44
    with pytest.raises(KeyError, match="expected a kind of kt_caption_templates, .*, found 'mine'"):
        prompts.published("mine")
