"""The choice of class names and prompt, worked out by hand; every cell is scored with its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ktlib.__main__ import main
from ktlib.companion.sources import generated as fixtures
from ktlib.data import imagenet
from ktlib.evaluate import calibration
from ktlib.evaluate.calibration import CELLS, CLIP, ENSEMBLE, VILT, ZOOM_SHOT, Cell
from ktlib.models import load
from ktlib.models.dual import DualEncoder
from ktlib.models.vilt import PairScorer


def scores(**near: tuple[float, float]) -> dict[Cell, dict[str, float]]:
    """Every cell far away, except those given as `cell_3=(B/32, L/14)`."""
    values = {cell: (0.63, 0.75) for cell in CELLS} | {CELLS[int(key[5:])]: value for key, value in near.items()}
    return {cell: {"ViT-B/32": b, "ViT-L/14": large} for cell, (b, large) in values.items()}


def test_there_are_two_names_times_four_prompts() -> None:
    assert len(CELLS) == len(set(CELLS)) == 8
    assert CELLS[0] == Cell("first", "{}")
    assert CELLS[-1] == Cell("all", "A photo of a {}.")


def test_deviation_is_the_larger_of_the_two_distances() -> None:
    assert calibration.deviation({"ViT-B/32": 0.5710, "ViT-L/14": 0.7279}) == pytest.approx(0.02)


def test_the_cell_near_to_both_beats_one_that_is_exact_for_one_model() -> None:
    accuracies = scores(cell_2=(0.5810, 0.7279), cell_5=(0.5910, 0.6979))  # largest distances 0.02 and 0.01
    assert calibration.choose(accuracies) == CELLS[5]


def test_a_tie_goes_to_the_first_cell_whatever_the_order_of_the_mapping() -> None:
    accuracies = scores(cell_6=(0.58, 0.70), cell_1=(0.58, 0.70))
    backwards = dict(reversed(accuracies.items()))
    assert calibration.choose(accuracies) == calibration.choose(backwards) == CELLS[1]


def test_other_targets_may_be_given() -> None:
    accuracies = {cell: {"m": index / 10} for index, cell in enumerate(CELLS)}
    assert calibration.choose(accuracies, replace(CLIP, targets={"m": 0.42})) == CELLS[4]


def test_prompts_keep_the_names_as_they_are() -> None:
    assert Cell("all", "a photo of a {}.").prompts(["tench, Tinca tinca"]) == ["a photo of a tench, Tinca tinca."]


def test_an_unscored_cell_or_model_and_percent_are_refused() -> None:
    accuracies = scores()
    with pytest.raises(ValueError, match="expected accuracies of all 8 cells, found none of .*score them first"):
        calibration.choose({cell: accuracies[cell] for cell in CELLS[1:]})
    with pytest.raises(ValueError, match=r"expected accuracies of ViT-B/32, ViT-L/14, found none of ViT-L/14; score"):
        calibration.choose(accuracies | {CELLS[0]: {"ViT-B/32": 0.5}})
    with pytest.raises(ValueError, match=r"expected fractions .*found \{'ViT-B/32': 58.1.*; divide percent by 100"):
        calibration.choose(scores(cell_0=(58.1, 70.79)))


def test_a_choice_is_frozen_once_with_all_that_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    with pytest.raises(
        FileNotFoundError, match=r"expected the frozen .*found nothing; run `python -m ktlib calibrate clip`"
    ):
        calibration.frozen(path=path)
    assert calibration.freeze(scores(cell_3=(0.5820, 0.7079)), path=path) == CELLS[3]
    assert calibration.frozen(path=path) == CELLS[3]
    record = json.loads(path.read_text())
    assert record["within_tolerance"] is True
    assert len(record["measured"]) == 8
    with pytest.raises(FileExistsError, match="expected no frozen choice, found .*keep it"):
        calibration.unfrozen(path=path)
    with pytest.raises(FileExistsError, match="expected no frozen choice, found .*keep it"):
        calibration.freeze(scores(cell_0=(0.5810, 0.7079)), path=path)
    assert calibration.frozen(path=path) == CELLS[3]


def test_a_choice_outside_the_tolerance_stops_unless_told_to_go_on(tmp_path: Path, monkeypatch) -> None:
    calibration.freeze(scores(), path=tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["within_tolerance"] is False
    said = r"the published baseline of ViT-B/32, ViT-L/14, found that the nearest misses it by 4.9 points .*look at"
    with pytest.raises(ValueError, match=said + r".* set KTLIB_GO_ON=1"):
        calibration.frozen(path=tmp_path / "c.json")
    monkeypatch.setenv("KTLIB_GO_ON", "1")
    with pytest.warns(UserWarning, match=said + r".*Nothing measured after it can be interpreted"):
        assert calibration.frozen(path=tmp_path / "c.json") in CELLS


def test_an_edited_choice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text('{"chosen": {"names": "first", "template": "an image of a {}"}}')
    with pytest.raises(ValueError, match="expected one of .*found .*an image of a.*restore"):
        calibration.frozen(path=path)


class Fussy(DualEncoder):
    """Knows a class only when the prompt ends in a full stop: the text vectors say which prompt was used."""

    def __init__(self, labels):
        nn.Module.__init__(self)
        self.mean, self.labels, self.asked, self._classes = torch.zeros(1), labels, [], {}

    def text_parameters(self):
        return []

    def encode_text(self, texts, *, normalize=True):
        self.asked.append(texts)
        right = torch.eye(len(texts))
        return right if texts[0].endswith(".") else right.roll(1, 0)

    def encode_image(self, images, *, normalize=True):
        return F.one_hot(torch.tensor(self.labels), 5).float()


def test_every_cell_is_scored_with_its_own_prompts(tmp_path: Path) -> None:
    validation = imagenet.read(fixtures.imagenet(tmp_path), partial=True)
    model = Fussy(validation.labels)
    found = calibration.score_cells({"ViT-B/32": model}, validation)
    assert set(found) == set(CELLS)
    for cell, accuracies in found.items():
        assert accuracies == {"ViT-B/32": 1.0 if cell.template.endswith(".") else 0.0}
    assert model.asked[0] == CELLS[0].prompts(validation.class_names(CELLS[0].names))


def test_every_gate_has_cells_and_a_file_of_its_own() -> None:
    gates = (CLIP, ZOOM_SHOT, VILT)
    assert len({gate.file for gate in gates}) == 3
    assert all(len(set(gate.cells)) == len(gate.cells) > 1 for gate in gates)
    assert Cell("curated", ENSEMBLE) in ZOOM_SHOT.cells  # what the notebook would take for granted
    assert Cell("first", "a photo of a {}.", "whole") in VILT.cells
    assert len(Cell("first", ENSEMBLE).prompts(["a", "b"])) == 160


def test_a_choice_of_one_gate_is_none_of_another(tmp_path: Path) -> None:
    accuracies = {cell: {"ViLT-B/32": 0.5} for cell in VILT.cells} | {VILT.cells[2]: {"ViLT-B/32": 0.2400}}
    path = tmp_path / "c.json"
    assert calibration.freeze(accuracies, VILT, path=path) == VILT.cells[2] == calibration.frozen(VILT, path=path)
    assert json.loads(path.read_text())["within_tolerance"] is True
    with pytest.raises(ValueError, match="expected one of .*found "):
        calibration.frozen(ZOOM_SHOT, path=path)


class Averaging(Fussy):
    """Finds all classes alike, and remembers what it was asked."""

    def encode_text(self, texts, *, normalize=True):
        assert not normalize
        self.asked.append(texts)
        return torch.ones(len(texts), 5)


def test_many_prompts_are_averaged_before_they_are_normalised(tmp_path: Path) -> None:
    validation = imagenet.read(fixtures.imagenet(tmp_path), partial=True)
    model = Averaging(validation.labels)
    found = calibration.score_cells({"m": model}, validation, [Cell("curated", ENSEMBLE)])
    assert [len(texts) for texts in model.asked] == [80] * 5
    assert found == {
        Cell("curated", ENSEMBLE): {"m": validation.labels.count(0) / len(validation)}
    }  # all alike: the first


class Looking(PairScorer):
    """Says that a picture and a prompt match when the prompt is as long as the picture is wide."""

    def __init__(self):
        nn.Module.__init__(self)
        self.mean, self.image_size, self.context_length = torch.zeros(1), 48, 40

    def token_count(self, text):
        return 1

    def tokenize(self, texts, *, too_long="refuse"):
        return torch.tensor([[len(text)] for text in texts])

    def prepare(self, images):
        return images

    def embed_image(self, images):
        return torch.full((len(images), 1, 1), float(images.shape[-1]))

    def match_tokens(self, patches, ids):
        far = (patches[:, 0, 0] - ids[:, 0]).abs()
        return torch.stack([far, -far], 1)


def test_a_pair_scorer_sees_whole_pictures_or_their_centres(tmp_path: Path) -> None:
    fixtures.imagenet_train(tmp_path, per_class=1)
    validation = imagenet.hundred(fixtures.imagenet(tmp_path), partial=True)
    prompts = ["x" * 64, "x" * 48, "x"]  # as wide as a whole picture, as its centre, as neither
    data = replace(validation, words=tuple(prompts))
    cells = [Cell("first", "{}", picture) for picture in ("whole", "centre")]
    found = calibration.score_pairs({"m": Looking()}, data, cells)
    for place, cell in enumerate(cells):
        assert found[cell] == {"m": data.labels.count(place) / len(data)}


@pytest.mark.slow  # whole models of random weights: proves the path, measures nothing
def test_the_gates_run_on_generated_files_and_random_weights(tmp_path: Path) -> None:
    fixtures.imagenet_train(tmp_path, per_class=1)
    home = fixtures.imagenet(tmp_path)
    cells = (Cell("first", "{}"), Cell("curated", ENSEMBLE))
    clip = replace(ZOOM_SHOT, cells=cells)
    found = calibration.score_cells(
        {"ViT-B/16": load("random/ViT-B-16", DualEncoder)}, imagenet.read(home, partial=True), cells
    )
    assert calibration.freeze(found, clip, path=tmp_path / "zoom_shot.json") in cells
    hundred = replace(imagenet.hundred(home, partial=True), words=("disk", "square, ring", "star"))  # words it knows
    cells = (Cell("first", "a photo of a {}", "whole"), Cell("first", "a photo of a {}"))
    vilt = replace(VILT, cells=cells)
    found = calibration.score_pairs({"ViLT-B/32": load("random/vilt-b32", PairScorer)}, hundred, cells)
    assert calibration.freeze(found, vilt, path=tmp_path / "vilt.json") in cells
    assert all(0 <= value <= 1 for one in found.values() for value in one.values())


def test_a_frozen_choice_is_looked_for_before_any_cell_is_scored(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration.Gate, "file", tmp_path / "clip.json")
    (tmp_path / "clip.json").write_text("{}", encoding="utf-8")
    assert main(["calibrate", "clip"]) == 1
    assert "expected no frozen choice" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"expected a frozen choice in .*clip\.json, found something else \(KeyError"):
        calibration.frozen()
