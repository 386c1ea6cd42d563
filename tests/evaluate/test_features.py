"""Features on disk: once, whole, resumable, and never those of other weights."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from ktlib.data.sets import LabelledImages
from ktlib.evaluate import features
from ktlib.evaluate.features import extract
from ktlib.models.vision import VisionEncoder


class Means(nn.Module):
    """Channel means times a weight, and a count of the pictures seen."""

    def __init__(self, weight=1.0, stop_after=None):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(float(weight)))
        self.seen, self.stop_after = 0, stop_after

    def forward(self, images):
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(images)
        return images.mean((2, 3)) * self.weight


def encoder(weight=1.0, **kwargs):
    return VisionEncoder(Means(weight, **kwargs), name="means", image_size=8, dim=3, mean=[0.0] * 3, std=[1.0] * 3)


def pictures(count=50, digest="pictures"):
    def read(index):
        return Image.new("RGB", (8, 8), (index, 2 * index, 3 * index))

    return LabelledImages("grey", read, (0,) * count, ("grey",), ("{}",), digest)


def expected(count=50):
    return torch.arange(count)[:, None] * torch.tensor([1.0, 2.0, 3.0]) / 255


def test_features_are_those_of_the_encoder_in_half_precision(tmp_path):
    (found,) = extract([encoder()], pictures(), tmp_path, batch=16)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), expected(), atol=5e-4, rtol=1e-3)  # 11 bits of mantissa


def test_what_is_there_is_not_computed_again(tmp_path):
    extract([encoder()], pictures(), tmp_path)
    again, other = encoder(), encoder(2.0)
    (first, second) = extract([again, other], pictures(), tmp_path)
    assert again.network.seen == 0
    assert other.network.seen == 50
    torch.testing.assert_close(second.float(), 2 * first.float(), atol=1e-3, rtol=1e-3)
    other_pictures = encoder()
    extract([other_pictures], pictures(digest="others"), tmp_path)
    assert other_pictures.network.seen == 50


def test_a_stopped_run_goes_on_where_its_file_ends(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        extract([encoder(stop_after=30)], pictures(), tmp_path, batch=10, save_every=1)
    again = encoder()
    (found,) = extract([again], pictures(), tmp_path, batch=10, save_every=1)
    assert again.network.seen == 20
    torch.testing.assert_close(found.float(), expected(), atol=5e-4, rtol=1e-3)


def test_encoders_that_stopped_in_different_places_each_see_what_they_lack(tmp_path):
    extract([encoder()], pictures(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        extract([encoder(2.0, stop_after=20)], pictures(), tmp_path, batch=10, save_every=1)
    whole, half, none = encoder(), encoder(2.0), encoder(3.0)
    found = extract([whole, half, none], pictures(), tmp_path, batch=10)
    assert (whole.network.seen, half.network.seen, none.network.seen) == (0, 30, 50)
    for weight, one in enumerate(found, 1):
        torch.testing.assert_close(one.float(), weight * expected(), atol=2e-3, rtol=1e-3)


def test_a_truncated_file_is_made_again(tmp_path):
    extract([encoder()], pictures(), tmp_path)
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:200])
    again = encoder()
    (found,) = extract([again], pictures(), tmp_path)
    assert again.network.seen == 50
    torch.testing.assert_close(found.float(), expected(), atol=5e-4, rtol=1e-3)


def test_a_file_of_other_weights_is_refused(tmp_path):
    extract([encoder()], pictures(), tmp_path)
    (record,) = tmp_path.glob("*.json")
    facts = json.loads(record.read_text()) | {"weights": "somebody else's"}
    record.write_text(json.dumps(facts))
    with pytest.raises(
        RuntimeError, match=r"expected features of grey by means .* found those .*delete .* and run again"
    ):
        extract([encoder()], pictures(), tmp_path)


def test_features_that_half_precision_cannot_hold_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match="means gives NaN, or numbers beyond half precision, for pictures 16 to 31 of grey"
    ):
        extract(
            [encoder(3.2e5)], pictures(), tmp_path, batch=16
        )  # times 3 · 16 / 255 is within 65504, 3 · 31 / 255 is not


def test_another_run_of_the_same_features_does_no_harm(tmp_path):
    """The second one is stopped when the first has written half."""
    first, begun = encoder(), []

    def read(index):
        if index == 30 and not begun:
            begun.append(1)
            with pytest.raises(KeyboardInterrupt):
                extract([encoder(stop_after=20)], pictures(), tmp_path, batch=10)
        return Image.new("RGB", (8, 8), (index, 2 * index, 3 * index))

    slow = LabelledImages("grey", read, (0,) * 50, ("grey",), ("{}",), "pictures")
    extract([first], slow, tmp_path, batch=10)
    again = encoder()
    (found,) = extract([again], pictures(), tmp_path)
    assert begun and again.network.seen == 0
    torch.testing.assert_close(found.float(), expected(), atol=5e-4, rtol=1e-3)
    assert len(list(tmp_path.iterdir())) == 2


def test_another_run_that_ends_first_puts_its_copy_in_place(tmp_path):
    begun = []

    def read(index):
        if index == 30 and not begun:
            begun.append(1)
            extract([encoder()], pictures(), tmp_path, batch=10)
        return Image.new("RGB", (8, 8), (index, 2 * index, 3 * index))

    slow = LabelledImages("grey", read, (0,) * 50, ("grey",), ("{}",), "pictures")
    for found in (extract([encoder()], slow, tmp_path, batch=10)[0], extract([encoder()], pictures(), tmp_path)[0]):
        torch.testing.assert_close(found.float(), expected(), atol=5e-4, rtol=1e-3)


@pytest.mark.parametrize(("before", "after"), [(10, 7), (10, 16), (7, 10)])
def test_a_run_goes_on_with_another_batch_and_another_encoder(tmp_path, before, after):
    """Batches then begin in the middle of what is written: rows between them were zero, once."""
    for weight, stop in ((1.0, 30), (2.0, 20)):
        with pytest.raises(KeyboardInterrupt):
            extract([encoder(weight, stop_after=stop)], pictures(), tmp_path, batch=before, save_every=1)
    for weight, one in enumerate(extract([encoder(), encoder(2.0)], pictures(), tmp_path, batch=after), 1):
        torch.testing.assert_close(one.float(), weight * expected(), atol=2e-3, rtol=1e-3)


def test_a_flipped_bit_is_made_good(tmp_path):
    extract([encoder()], pictures(), tmp_path)
    (file,) = tmp_path.glob("*.npy")
    content = bytearray(file.read_bytes())
    content[-9] ^= 64
    file.write_bytes(content)
    again = encoder()
    (found,) = extract([again], pictures(), tmp_path)
    assert again.network.seen == 50
    torch.testing.assert_close(found.float(), expected(), atol=5e-4, rtol=1e-3)


def test_what_pictures_are_cropped_to_is_part_of_the_name(tmp_path):
    """Encoders that are asked together see pictures of the largest one's size."""
    large = VisionEncoder(Means(), name="large", image_size=16, dim=3, mean=[0.0] * 3, std=[1.0] * 3)
    extract([encoder()], pictures(), tmp_path)
    together = encoder()
    extract([together, large], pictures(), tmp_path)
    assert together.network.seen == 50


def test_what_a_reader_writes_stays_in_memory(tmp_path):
    (found,) = extract([encoder()], pictures(), tmp_path)
    found[0] = 7
    (again,) = extract([encoder()], pictures(), tmp_path)
    assert again[0].abs().max() == 0


def test_the_folder_holds_nothing_but_features_and_records(tmp_path):
    extract([encoder()], pictures(), tmp_path)
    assert {path.suffix for path in Path(tmp_path).iterdir()} == {".npy", ".json"}
    assert features.Record(**json.loads(next(tmp_path.glob("*.json")).read_text())).done == 50
