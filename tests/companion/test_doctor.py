"""What the doctor says of a machine with nothing, and of one with something."""

import json

import pytest

from ktlib.__main__ import main
from ktlib.companion import doctor
from ktlib.companion.record import notebooks
from ktlib.companion.sources import generated as fixtures
from ktlib.data import manifests
from ktlib.evaluate import java


@pytest.fixture(autouse=True)
def nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("KT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(manifests, "try_to_load_from_cache", lambda *_, **__: None)

    def none():
        raise java.NoAnswer("expected Java, found none")

    monkeypatch.setattr(java, "find", none)
    return tmp_path / "data"


def test_a_machine_with_nothing_lacks_what_the_notebooks_need_and_can_run_the_other_scales(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    tables = {table["notebook"]: table for table in found["tables"]}
    assert list(tables) == [path.stem for path in notebooks.find()]
    for path in notebooks.find():
        one, table = notebooks.read(path), tables[path.stem]
        lacks = {gap["name"] for gap in table["lacks"]}
        assert {f"dataset {name}" for name in one.needs.datasets} <= lacks or "paper" not in one.scales
        assert table["ready"]["pocket"] is True
        assert table["ready"]["paper"] is (None if "paper" not in one.scales else not lacks)
        assert all(gap["get"] and gap["steps"] for gap in table["lacks"])
    assert tables["02_medclip"]["items"][:2] == ["KT Tab. 2", "KT Tab. 3"]
    assert "found none" in found["machine"]["java"]


def test_the_page_fits_a_screen_and_names_what_to_type(capsys):
    assert main(["doctor"]) == 0
    page = capsys.readouterr().out
    assert len(page.splitlines()) <= 75
    for word in ("GiB free", "GPU:", "Java", "python -m ktlib data get cifar10", "not measured"):
        assert word in page


def test_what_is_there_is_no_longer_lacking(nothing):
    before = doctor.gaps(notebooks.read(notebooks.find()[6]))
    fixtures.zoom_shot(nothing)
    after = doctor.gaps(notebooks.read(notebooks.find()[6]))
    assert {gap.name for gap in before} - {gap.name for gap in after} >= {"dataset cifar10", "dataset cifar100"}


def test_hours_are_a_measured_rate_times_what_is_needed(tmp_path):
    (tmp_path / "retrieval.json").write_text(
        json.dumps({"device": "a machine", "models": [{"model": "random/vilt-b32", "ours_ms": 3.6}]})
    )
    (part,) = doctor.hours("04_flickr30k_retrieval", tmp_path)
    assert part.hours == pytest.approx(5)  # 5,000,000 pairs of 3.6 ms are 18,000 s
    assert part.source == "benchmarks/retrieval.json: a machine"
    rates = {"overhead": [{"model": "random/ViT-B-32", "hours for 1000 images": 100.0}], "machine": {"device": "m"}}
    (tmp_path / "inversion.json").write_text(json.dumps(rates))
    (part,) = doctor.hours("01_rare_concepts", tmp_path)
    assert part.hours == pytest.approx(1)  # ten images


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"models": [{}]}'])
def test_what_was_not_measured_has_no_hours(tmp_path, content):
    if content is not None:
        (tmp_path / "retrieval.json").write_text(content)
    (part,) = doctor.hours("04_flickr30k_retrieval", tmp_path)
    assert part.hours is None and part.source == "not measured"


def test_the_disk_of_weights_is_summed_where_a_size_is_stated():
    assert doctor.weights_gb(["torchvision/resnet18", "torchvision/resnet18"]) == pytest.approx(0.0447)
    assert doctor.weights_gb(["HealthX-Lab/MedCLIP-SAMv2"]) == 0
