"""The store: keys that tell things apart, files that are whole or absent."""

from dataclasses import dataclass

import pytest
import torch

from ktlib import store


@dataclass(frozen=True)
class Settings:
    lr: float
    sizes: tuple[int, ...] = (1, 2)


def test_keys_tell_values_apart():
    x = torch.arange(4.0)
    parts = [
        1,
        1.0,
        "1",
        True,
        None,
        x,
        x.view(2, 2),
        x.half(),
        Settings(1.0),
        Settings(2.0),
        ["a", "b"],
        ["ab"],
        {"a": 1},
    ]
    keys = [store.key(p) for p in parts]
    assert len(set(keys)) == len(parts)
    assert store.key({"a": 1, "b": 2}) == store.key({"b": 2, "a": 1})
    assert store.key("a", "b") != store.key("ab")


@pytest.mark.parametrize(
    "cut", [torch.arange(8.0)[::2][:1], torch.arange(4.0).view(2, 2)[:1, :1], torch.arange(6.0)[::3]]
)
def test_a_tensor_cut_out_of_another_has_the_key_of_its_values(cut):
    assert store.key(cut) == store.key(torch.tensor(cut.tolist()))


def test_what_has_no_stable_bytes_is_refused():
    with pytest.raises(TypeError, match="found set"):
        store.key({1, 2})


def test_a_value_is_computed_once(tmp_path):
    calls = []
    for _ in range(2):
        result = store.remembered(tmp_path / "x.json", lambda: calls.append(1) or {"v": 0.1})
    assert (result, len(calls)) == ({"v": 0.1}, 1)


def test_a_damaged_value_is_computed_again(tmp_path):
    (tmp_path / "x.json").write_text('{"v": 0.')
    assert store.remembered(tmp_path / "x.json", lambda: {"v": 2}) == {"v": 2}
    (tmp_path / "x.json").write_bytes(b"\xff\x00")  # no text at all
    assert store.remembered(tmp_path / "x.json", lambda: {"v": 3}) == {"v": 3}


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    def fail(path):
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.write_atomically(tmp_path / "x", fail)
    assert list(tmp_path.iterdir()) == []


def test_tensors_come_back_and_damaged_ones_are_absent(tmp_path):
    path = tmp_path / "x.safetensors"
    store.save_tensors(path, {"a": torch.arange(3)})
    assert torch.equal(store.load_tensors(path)["a"], torch.arange(3))
    path.write_bytes(path.read_bytes()[:20])
    assert store.load_tensors(path) is None
    assert store.load_tensors(tmp_path / "absent") is None


@pytest.mark.parametrize("name", ["x.json", "x.safetensors"])
def test_a_file_with_any_bit_flipped_is_as_good_as_none(tmp_path, name):
    path, value = tmp_path / name, {"a": [0.25, 1]}
    if name == "x.json":
        store.remembered(path, lambda: value)
        read = lambda: store.remembered(path, lambda: value)  # noqa: E731
    else:
        store.save_tensors(path, {"a": torch.tensor([0.25, 1])})
        read = lambda: store.load_tensors(path)  # noqa: E731
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        found = read()
        assert found is None or list(found["a"]) == [0.25, 1]


def test_where_nothing_can_be_written_nothing_is_computed(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"expected a folder that can be written to at .*file/x, found that it is not"):
        store.remembered(tmp_path / "file/x/y.json", lambda: pytest.fail("computed, then lost"))


def test_a_lock_is_held_by_one_and_says_by_whom(tmp_path):
    with store.locked(tmp_path / "lock", "the first"):
        with (
            pytest.raises(BlockingIOError, match=r"the first, process \d+, since"),
            store.locked(tmp_path / "lock", "b"),
        ):
            pass
    with store.locked(tmp_path / "lock", "the second"):
        pass


def test_brackets_without_end_are_as_good_as_nothing(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    assert store.recall(tmp_path / "a.json") is None
