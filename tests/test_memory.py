"""A batch that does not fit is halved, nothing is lost or done twice, and it is noted."""

import dataclasses

import pytest
import torch

from ktlib import inversion, memory
from ktlib.inversion import InversionSettings, invert
from ktlib.memory import halving


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(memory, "HALVED", {})


def fits(most, seen):
    def work(batch):
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(list(batch))
        return [10 * item for item in batch]

    return work


def test_batches_are_halved_until_they_fit_and_stay_so():
    seen = []
    found = [one for part in halving(fits(3, seen), range(8), at_once=8, what="squares") for one in part]
    assert found == [0, 10, 20, 30, 40, 50, 60, 70]
    assert seen == [[0, 1], [2, 3], [4, 5], [6, 7]]  # 8, 4, then 2
    assert memory.HALVED == {"squares": 2}


def test_what_fits_is_not_halved_nor_noted():
    seen = []
    assert [len(part) for part in halving(fits(9, seen), range(5), at_once=4, what="squares")] == [4, 1]
    assert memory.HALVED == {}


def test_one_that_does_not_fit_alone_is_said():
    with pytest.raises(torch.OutOfMemoryError, match="expected memory for squares of one at a time, found too little"):
        list(halving(fits(0, []), range(4), at_once=4, what="squares"))


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError):
        list(halving(lambda batch: 1 / 0, range(4), at_once=4, what="squares"))
    with pytest.raises(ValueError, match="expected at_once to be a whole number of 1 or more, found 0"):
        list(halving(list, range(4), at_once=0, what="squares"))


def test_an_inversion_that_runs_out_of_memory_goes_on_with_fewer_jobs_to_the_same_images(model, tmp_path, monkeypatch):
    settings = InversionSettings(steps=3, sizes=((0, 32),), schedule="constant")
    ask = {"seed": [0, 1, 2, 3], "images_per_concept": 2, "settings": settings, "progress": False}
    whole = invert(model, ["a red disk"] * 4, **ask)
    optimise = inversion._optimise

    def small(model, jobs, *rest):
        if len(jobs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return optimise(model, jobs, *rest)

    monkeypatch.setattr(inversion, "_optimise", small)
    halved = invert(model, ["a red disk"] * 4, store=tmp_path, **ask)
    assert (
        halved.images - whole.images
    ).abs().mean() < 1e-5  # but for rounding, which Adam makes visible here and there
    assert memory.HALVED == {"inversion": 1}
    assert len(list(tmp_path.glob("*.safetensors"))) == 4 and not list(tmp_path.glob("running-*"))


def test_rows_say_that_a_batch_was_halved(tmp_path, monkeypatch):
    from ktlib.companion.record import rows
    from tests.rows import row

    path = rows.write([row()], seconds=1.0, command="x", folder=tmp_path)
    assert "halved" not in rows.record_of(path)
    memory.HALVED["inversion"] = 25
    path = rows.write([row()], seconds=1.0, command="x", folder=tmp_path)
    assert rows.record_of(path)["halved"] == {"inversion": 25}
    assert dataclasses.asdict(rows.read("pocket", folder=tmp_path)[0]) == dataclasses.asdict(row())
