"""How much there is to download."""

import re

import pytest

from ktlib.data import manifests, sizes


@pytest.mark.parametrize("name", [*manifests.datasets(), *manifests.checkpoints()])
def test_a_size_is_a_number_or_said_not_to_be_stated(name):
    one = manifests.find(name)
    assert (sizes.gigabytes(one.size) is None) == one.size.startswith("not stated")
    if sizes.gigabytes(one.size) and "about" in one.size:
        assert re.search(r"\bsizes?\b|every line", " ".join(one.unverified)), "what nobody states exactly is a doubt"


def test_a_size_is_read_in_gigabytes():
    known = {
        "1 kB": 1e-6,
        "about 605 MB (safetensors)": 0.605,
        "2.55 GB": 2.55,
        "not stated": None,
        "41 GB (38 GB)": 41,
    }
    assert {size: sizes.gigabytes(size) for size in known} == pytest.approx(known)


def test_disk_is_summed_where_a_size_is_stated_and_counted_where_none_is():
    assert sizes.disk(["torchvision/resnet18", "torchvision/resnet18"]) == (pytest.approx(0.0447), 0)
    assert sizes.disk(["HealthX-Lab/MedCLIP-SAMv2", "udiat", "cub_200"]) == (pytest.approx(1.1), 2)


def test_a_size_that_nobody_states_is_said():
    known = {(0.0, 0): "–", (0.0, 2): "?", (9.16, 1): "9.2 + ?", (188.4, 0): "188", (2071.0, 0): "2,071"}
    assert {found: sizes.told(*found) for found in known} == known
