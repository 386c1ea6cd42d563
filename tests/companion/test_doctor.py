"""What the doctor says of a machine with nothing, and of one with something."""

import json

import pytest

from ktlib.__main__ import main
from ktlib.companion import doctor, runs
from ktlib.companion.record import notebooks
from ktlib.companion.sources import generated as fixtures
from ktlib.companion.sources import real
from ktlib.data import hub, manifests
from ktlib.evaluate import java


@pytest.fixture(autouse=True)
def nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("KT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)

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
        assert {g["name"] for g in table["lacks"] if g["optional"]} == {
            f"dataset {name}" for name in one.needs.optional
        }
        assert all(gap["get"] and gap["steps"] for gap in table["lacks"])
    assert tables["02_medclip"]["items"][:2] == ["KT Tab. 2", "KT Tab. 3"]
    assert "found none" in found["machine"]["java"]


def test_the_page_fits_a_screen_and_names_what_to_type(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path / ("long" * 30)))
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= doctor.LINES and max(map(len, lines)) <= doctor.WIDTH
    page = "\n".join(lines)
    for word in ("torch ", "GPU:", "GiB free", "Java", "python -m ktlib data get NAME", "doctor --full"):
        assert word in page
    assert page.count("hours:") == 1 and "CPU, 2 cores" in page and "no GPU was measured" in page


def test_a_notebook_is_a_line_with_counts_disk_and_hours(capsys):
    assert main(["doctor"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    for path in notebooks.find():
        one, line = notebooks.read(path), lines[path.stem]
        needs = one.needs or notebooks.Needs()
        if "paper" in one.scales and needs.datasets:
            count = len(needs.datasets) - len(needs.optional)
            count = f"{count}+{len(needs.optional)}" if needs.optional else f"{count}"
            assert f" {count} of {len(needs.datasets)} dataset" in line
            assert f" {len(needs.checkpoints)} checkpoint" in line
            assert ("calibration" in line) == needs.calibration
    assert lines["05_coco_captioning"].split()[-2:] == ["11", "?"]  # 6 GB and twice 2.55
    assert lines["01_rare_concepts"].split()[-5:-2] == ["9.2", "+", "?"]  # nobody knows how large your pictures are
    assert lines["10_results"].split()[1:] == ["paper", "nothing", "–", "–"]
    assert lines["00_start_here"].split()[1] == "pocket"


def test_in_full_each_thing_stands_with_the_way_to_it(capsys):
    assert main(["doctor", "--full"]) == 0
    page = capsys.readouterr().out
    for word in (
        "python -m ktlib data get cifar10",
        "calibrate clip",
        "not measured",
        "h by benchmarks/inversion.json",
    ):
        assert word in page
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(gap["name"] in page for table in found["tables"] for gap in table["lacks"])


def test_a_checkpoint_without_its_weights_and_its_words_lacks_once():
    gaps = manifests.missing(["cifar10"], ["dandelin/vilt-b32-mlm-itm", "openai/ViT-B-32"], calibration=True)
    absent = doctor.absent(gaps)
    assert absent["checkpoint"] == ["dandelin/vilt-b32-mlm-itm", "openai/ViT-B-32"]
    assert absent["dataset"] == ["cifar10"] and len(absent["calibration"]) == 2


def test_machines_are_named_once_and_a_gpu_among_them_is_believed():
    parts = [{"what": "a part", "hours": 2.0, "source": "benchmarks/a.json: NVIDIA H100"}]
    assert "no GPU" not in "".join(doctor._measured([{"hours": parts}, {"hours": parts}]))
    assert doctor._measured([{"hours": []}]) == [
        "hours: ? everywhere, for nothing was measured (benchmarks/README.md)."
    ]


def test_what_is_there_is_no_longer_lacking(nothing):
    before = doctor.gaps(notebooks.read(notebooks.find()[6]))
    fixtures.zoom_shot(nothing)
    after = doctor.gaps(notebooks.read(notebooks.find()[6]))
    assert {gap.name for gap in before} - {gap.name for gap in after} >= {"dataset cifar10", "dataset cifar100"}


def test_a_notebook_starts_without_the_datasets_that_it_leaves_out(nothing, monkeypatch, capsys):
    zoom_shot = notebooks.read(notebooks.find()[6])
    assert zoom_shot.needs.optional == tuple(real.OPTIONAL.values())
    optional = {f"dataset {name}" for name in real.OPTIONAL.values()}
    mandatory = [gap for gap in doctor.gaps(zoom_shot) if gap.name not in optional]
    assert doctor.blocking(zoom_shot) == mandatory
    spared = [gap for gap in doctor.gaps(zoom_shot) if gap not in mandatory]
    monkeypatch.setattr(doctor, "gaps", lambda one: spared if one.stem == zoom_shot.stem else [])  # all else is there
    found = doctor.examine()
    line = next(line for line in doctor.page(found).splitlines() if line.startswith("06"))
    assert line.split()[1:8] == ["paper", "0+2", "of", "10", "datasets", "–", "≥"] and found["disk_gb"]["stated"] == 0
    assert "data show stanford_cars; optional" in doctor.whole_page(found)
    runs.check_inputs("paper", [zoom_shot])
    assert "06_zoom_shot: leaves out dataset stanford_cars, of which nothing is there" in capsys.readouterr().out
    (nothing / "stanford_cars").parent.mkdir(exist_ok=True)
    (nothing / "stanford_cars").symlink_to("/nowhere")  # a disk that is not there is no decision
    assert [gap.name for gap in doctor.blocking(zoom_shot)] == ["dataset stanford_cars"]
    (nothing / "stanford_cars").unlink()
    fixtures.stanford_cars(nothing)  # nor is a part of a set
    with pytest.raises(runs.RunError, match="1 thing.*missing(.|\n)*stanford_cars"):
        runs.check_inputs("paper", [zoom_shot])


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
