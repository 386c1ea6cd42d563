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
