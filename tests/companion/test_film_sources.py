"""Films from files: the papers' names and descriptions, whole films for MedCLIP, and what cannot be used named."""

import numpy as np
import pytest
import torch
from PIL import Image

from ktlib.companion.sources import films, generated_medical
from ktlib.data import finding_prompts


@pytest.fixture
def root(tmp_path):
    generated_medical.jsrt(tmp_path)
    generated_medical.chexpert_5x200(tmp_path)
    return tmp_path


def nodules(root):
    return films.nodules(root, dataset="fixtures", partial=True, side=generated_medical.JSRT_SIDE)


def test_nodules_have_the_papers_names_and_descriptions_and_stand_beside_the_findings(root):
    exam = nodules(root)
    assert [(c.name, c.kind, c.split) for c in exam.concepts] == [
        ("benign nodule", "nodule", "test"), ("lung cancer", "nodule", "test"),
    ]  # fmt: skip
    assert exam.concept("lung cancer").main.startswith("A dense and irregular mass")
    assert exam.known_names == finding_prompts.FINDINGS
    assert exam.phrases == dict(finding_prompts.PROMPTS) and exam.templates == ("{}",)
    for _ in range(2):  # again and again
        assert torch.cat([labels for _, labels in exam.known]).tolist() == [0, 1, 2, 3, 4] * 3
    assert exam.pictures("lung cancer").shape == (2, 3, 224, 224)
    assert exam.lessons("lung cancer", 2, 0) is None
    assert any(note.startswith("JSRT: 2 Benign Nodule") for note in exam.notes)


def test_a_film_that_cannot_be_used_is_left_out_and_named_and_the_rest_is_examined(root):
    whole = nodules(root)
    (root / "jsrt" / "All247images" / "JPCLN001.IMG").write_bytes(b"cut short")
    exam = nodules(root)
    assert exam.pictures("lung cancer").shape[0] == 1 and exam.digest != whole.digest
    assert list(exam.left_out) == ["JPCLN001"] and "bytes" in exam.left_out["JPCLN001"]


def test_the_findings_are_concepts_for_whoever_knows_none(root):
    exam = films.outside(root, dataset="fixtures", partial=True)
    assert [c.name for c in exam.concepts] == list(exam.known_names) == [n.lower() for n in finding_prompts.FINDINGS]
    assert all(c.kind == c.name for c in exam.concepts) and not exam.phrases
    assert exam.concept("edema").main.startswith("An abnormal accumulation")
    assert exam.pictures("edema").shape == (3, 3, 224, 224)


def test_a_film_is_padded_with_black_and_nothing_is_cut():
    film = Image.fromarray(np.full((40, 20, 3), 200, dtype=np.uint8))
    shown = np.asarray(films.padded(film, 80))
    assert shown.shape == (80, 80, 3)
    assert (shown[:, :15] == 0).all() and (shown[:, -15:] == 0).all() and (shown[:, 25:55] == 200).all()


def test_absent_sets_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="jsrt"):
        films.nodules(tmp_path)
