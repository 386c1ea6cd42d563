"""A batch that does not fit is halved, nothing is lost or done twice, and it is noted."""

import dataclasses
import time

import pytest
import torch

from ktlib import inversion, memory
from ktlib.companion import cells
from ktlib.companion.record import rows
from ktlib.evaluate.features import extract
from ktlib.evaluate.retrieval import score_matrix
from ktlib.evaluate.saliency import SaliencySettings, grad_cam, saliency
from ktlib.inversion import InversionSettings, invert
from ktlib.memory import halving
from ktlib.transfer import transfer
from tests.evaluate.test_features import encoder, pictures
from tests.rows import row
from tests.tiny_coca import tiny_coca
from tests.tiny_sam import tiny_sam
from tests.tiny_vilt import tiny_vilt


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(memory, "_notes", [])


def halved():
    return memory.noted(0.0)


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
    assert halved() == {"squares": 2}


def test_what_fits_is_not_halved_nor_noted():
    seen = []
    assert [len(part) for part in halving(fits(9, seen), range(5), at_once=4, what="squares")] == [4, 1]
    assert halved() == {}


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
    fewer = invert(model, ["a red disk"] * 4, store=tmp_path, **ask)
    assert (
        fewer.images - whole.images
    ).abs().mean() < 1e-5  # but for rounding, which Adam makes visible here and there
    assert halved() == {"inversion": 1}
    assert len(list(tmp_path.glob("*.safetensors"))) == 4 and not list(tmp_path.glob("running-*"))


def test_rows_say_what_was_halved_for_their_item_and_for_no_other(tmp_path):
    def written(seconds):
        return rows.record_of(rows.write([row()], seconds=seconds, command="x", folder=tmp_path)).get("halved")

    assert written(1.0) is None
    memory.note({"inversion": 25})
    assert written(60.0) == {"inversion": 25}
    time.sleep(0.02)
    assert written(0.01) is None  # an item that began later
    assert written(60.0) == {"inversion": 25}  # one that began before, as the first did
    memory.note({"maps": 4})
    memory.note({"maps": 2})
    time.sleep(0.02)
    assert written(0.01) == {"maps": 2}  # halved between items: told of the next one
    assert written(0.01) is None
    assert dataclasses.asdict(rows.read("pocket", folder=tmp_path)[0]) == dataclasses.asdict(row())


def test_what_belongs_to_an_item_is_told_of_it_alone_whichever_is_written_first(tmp_path):
    def written(item, seconds=0.01):
        made = rows.write([row(item=item)], seconds=seconds, command="x", folder=tmp_path)
        return rows.record_of(made).get("halved")

    with memory.belonging("KT Tab. 4"):
        memory.note({"masks": 4})
    memory.note({"maps": 8})
    assert halved() == {"masks": 4, "maps": 8}
    assert written("KT Tab. 7", 60.0) == {"maps": 8}  # though it began before
    time.sleep(0.02)
    assert written("KT Tab. 4") == {"masks": 4}  # though that was before it began
    assert written("KT Tab. 4") == {"masks": 4}  # nor is it forgotten when the item is written again


def test_nothing_belongs_to_an_item_once_its_work_failed():
    with pytest.raises(ZeroDivisionError), memory.belonging("KT Tab. 4"):
        raise ZeroDivisionError
    memory.note({"maps": 8})
    assert memory.told(60.0, "KT Tab. 5") == {"maps": 8}


def test_a_result_that_is_read_again_says_what_was_halved_for_it(tmp_path, monkeypatch):
    monkeypatch.delenv(cells.ADDRESS, raising=False)

    def compute():
        list(halving(fits(1, []), range(2), at_once=2, what="maps"))
        return {"score": 1}

    asked = [cells.Cell(tmp_path / "one.json", compute), cells.Cell(tmp_path / "two.json", lambda: {"score": 2})]
    assert cells.each(asked, progress=False) == [{"score": 1}, {"score": 2}]
    monkeypatch.setattr(memory, "_notes", [])  # another process
    assert cells.each(asked[1:], progress=False) == [{"score": 2}] and not halved()
    assert cells.each(asked, progress=False) == [{"score": 1}, {"score": 2}]
    assert halved() == {"maps": 1}


# -- every batch that is only looked at ------------------------------------------------------------------------
def small(function, most, *, of=0):
    """The same function on a machine on which no more than so many fit, `of` being the place of what is counted."""
    sizes = []

    def asked(*args, **more):
        sizes.append(len(args[of]))
        if len(args[of]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return function(*args, **more)

    return asked, sizes


def vectors(model):
    pictures = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return model, "encode_image", lambda: model.encode_many(pictures)


def maps(model):
    pictures = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return model, "encode_image", lambda: grad_cam(model, pictures, "a red disk", layer=0)


def bottlenecks(model):
    pictures = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    how = SaliencySettings(layer=0, steps=2, copies=2)
    return model, "pixels", lambda: saliency(model, pictures, "a red disk", settings=how)


def pairs(_):
    vilt = tiny_vilt()
    pictures = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    texts = ["a red disk", "a blue square", "a green square"]
    return vilt, "match_tokens", lambda: score_matrix(vilt, pictures, texts, shard=2)


def masks(_):
    sam = tiny_sam()
    pictures = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return sam, "logits", lambda: sam.segment(pictures, torch.tensor([[4.0, 4.0, 20.0, 20.0]] * 5)).float()


def embeddings(_):
    sam = tiny_sam()
    pictures = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return sam, "pixels", lambda: sam.embed(pictures)


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (vectors, "vectors of images"),
        (maps, "maps"),
        (bottlenecks, "maps"),
        (pairs, "scores of pairs"),
        (masks, "masks"),
        (embeddings, "embeddings of images"),
    ],
)
def test_what_is_only_looked_at_is_halved_to_the_same_and_noted(made, what, model, monkeypatch):
    looks, name, ask = made(model)
    whole = ask()
    assert not halved()
    asked, sizes = small(getattr(looks, name), 2)
    monkeypatch.setattr(looks, name, asked)
    assert (ask() - whole).abs().max() < 1e-4  # but for rounding, of sums in batches of another size
    assert set(halved()) == {what} and halved()[what] <= 2
    assert sizes[0] > 2 >= sizes[-1]
    assert ask().shape == whole.shape


def test_captions_are_halved_to_the_same(monkeypatch):
    coca = tiny_coca()
    pictures = torch.rand(5, 3, coca.image_size, coca.image_size, generator=torch.Generator().manual_seed(0))
    whole = coca.generate(pictures, search="greedy", shortest=2, longest=6)
    asked, sizes = small(coca.see, 2)
    monkeypatch.setattr(coca, "see", asked)
    assert coca.generate(pictures, search="greedy", shortest=2, longest=6) == whole
    assert sizes == [5, 2, 2, 1] and halved() == {"captions": 2}


def test_features_are_halved_to_the_same_and_stay_so_to_the_end_of_the_set(tmp_path, monkeypatch):
    (whole,) = extract([encoder()], pictures(), tmp_path / "whole", batch=16)
    little = encoder()
    asked, sizes = small(little.features, 5)
    monkeypatch.setattr(little, "features", asked)
    (found,) = extract([little], pictures(), tmp_path / "halved", batch=16)
    assert torch.equal(found, whole)  # of this encoder: each mean is of one picture
    assert sizes == [16, 8, *[4] * 12, 2]  # of 50 pictures: it fails twice, not in each batch
    assert halved() == {"features": 4}


def test_the_batch_of_a_transfer_is_never_halved(model, monkeypatch):
    """Half of a contrast is another loss, so the error reaches whoever asked."""
    asked, _ = small(model.encode_image, 2)
    monkeypatch.setattr(type(model), "encode_image", lambda self, images, **more: asked(images, **more))
    with pytest.raises(torch.OutOfMemoryError, match="^CUDA out of memory$"):
        transfer(model, torch.rand(4, 3, 32, 32), "a red disk", negatives=["a tree", "a blue square"])
    assert not halved()
