"""Scales are data, and hold what the papers state."""

import pytest

from ktlib.companion.scales import SCALES, scale
from ktlib.companion.sources import examination


def test_there_are_three_and_no_other():
    assert set(SCALES) == {"pocket", "rehearsal", "paper"}
    assert all(name == one.name for name, one in SCALES.items())
    with pytest.raises(ValueError, match="expected a scale \\(pocket, rehearsal, paper\\), found 'huge'"):
        scale("huge")


def test_rehearsal_numbers_are_no_results():
    assert [name for name, one in SCALES.items() if not one.is_result] == ["rehearsal"]


def test_a_shifted_scale_repeats_another_with_other_seeds_alone():
    pocket = scale("pocket")
    moved = pocket.shifted(7)
    assert moved.seeds == tuple(7 + s for s in pocket.seeds)
    for name in ("clip", "vilt", "coca", "medclip", "scans"):
        assert getattr(moved, name).seeds == tuple(7 + s for s in getattr(pocket, name).seeds)
    assert [one.seeds for one in moved.films.outside] == [(7,), (7,)]
    assert moved.shifted(-7) == pocket


def test_no_concept_is_in_two_folds_of_a_pocket_clip():
    for folds in scale("pocket").clip.models.values():
        names = [c.name for examined in folds.values() for c in examination(examined).concepts]
        assert len(set(names)) == len(names) == 12 * len(folds)


def test_the_paper_scale_is_the_papers():
    paper = scale("paper")
    assert paper.clip.rates == paper.vilt.rates == (1e-5, 2e-5, 3e-5, 4e-5, 5e-5)
    assert len(paper.retrieval.cells) == 55  # 11 rates, 5 batches: KT v1, Tab. 8
    assert (paper.clip.transfer.weight_decay, paper.vilt.transfer.weight_decay) == (0.2, 0.01)
    assert paper.clip.transfer.batch == paper.vilt.transfer.batch == 4
    assert paper.clip.inversion.steps == paper.vilt.inversion.steps == 5000
    assert paper.vilt.inversion.probability == 0
    assert paper.coca.rates == (5e-6, 2e-5, 6e-5, 8e-5, 9e-5)  # KT v1, Tab. 6 and 9
    assert (paper.coca.transfer.contrast, paper.coca.transfer.captioning) == (1.0, 0.1)  # Eq. 6
    assert paper.captioning.test is None and paper.captioning.search == "beam_logits"
    assert {1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4} == set(paper.medclip.rates)  # KT v1, Tab. 2
    small, large = paper.films.outside  # KT v1, Sec. 8.5
    assert (small.rate, small.transfer.batch, small.transfer.epochs) == (5e-5, 8, 5)
    assert (large.rate, large.transfer.batch, large.transfer.epochs) == (1e-5, 4, 2)
    assert set(paper.scans.rates) == {1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4, 2e-4}  # KT v1, Tab. 7
    assert (paper.segmenting.betas, paper.segmenting.layers) == ((0.1, 1.0, 2.0), (7, 8, 9))  # MedCLIP-SAMv2's search
    assert [bool(one.medical) for one in SCALES.values()] == [True, True, False]  # what is no film says so
    assert paper.zoom_shot.share == 0.2 and paper.zoom_shot.rates == (1e-4,)
