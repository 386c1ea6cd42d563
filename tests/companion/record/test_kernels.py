"""Which kernels a run uses, and whether the canary tells."""

import os
import subprocess
import sys

import pytest

from ktlib.companion.record import certificate, kernels
from ktlib.companion.record.kernels import Kernels, choose


@pytest.fixture(autouse=True)
def nobody_asks(monkeypatch):
    monkeypatch.delenv(kernels.VARIABLE, raising=False)


def test_the_scale_asks_a_user_may_ask_otherwise_and_the_command_line_comes_first(monkeypatch):
    monkeypatch.setattr(kernels, "available", lambda name: True)
    assert choose("avx2") == Kernels("avx2", 2)
    assert choose("native") == Kernels()
    monkeypatch.setenv(kernels.VARIABLE, "native")
    assert choose("avx2") == Kernels()
    assert choose("avx2", "compatible", 1) == Kernels("compatible", 1)
    assert choose("avx2", threads=1) == Kernels("native", 1)


def test_without_avx2_nothing_is_pinned_and_asking_for_it_is_an_error(monkeypatch):
    monkeypatch.setattr(kernels, "available", lambda name: name == "native")
    assert choose("avx2") == Kernels() and Kernels().environment == {}
    with pytest.raises(ValueError, match="--kernels native"):
        choose("avx2", "avx2")


@pytest.mark.parametrize(
    ("asked", "said"), [({"name": "sse"}, "avx2, compatible, native"), ({"threads": 0}, "one thread")]
)
def test_what_cannot_be_is_an_error(asked, said):
    with pytest.raises(ValueError, match=said):
        choose("native", **asked)


def test_what_runs_is_named_by_the_environment():
    assert kernels.running(Kernels("avx2", 2).environment) == "avx2"
    assert kernels.running({"ATEN_CPU_CAPABILITY": "avx2"}).startswith("native ")  # MKL is free


@pytest.mark.skipif(not kernels.available("avx2"), reason="a processor without AVX2 has only its own kernels")
def test_the_canary_sings_the_same_song_twice_and_another_with_other_kernels():
    code = "from ktlib.companion.record.kernels import canary; print(canary())"
    songs = []
    for name in ("avx2", "avx2", "compatible"):
        environment = {**os.environ, **Kernels(name, 1).environment}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        songs.append(done.stdout.strip())
    assert songs[0] == songs[1] != songs[2] and len(songs[0]) == 8


def test_equal_bits_are_expected_of_the_same_kernels_threads_and_canary_alone():
    one = {"kernels": "avx2", "threads": "2", "canary": "a"}
    assert "equal bits" in certificate.expectation([one], [one, one])
    for name in one:
        assert "rows may differ" in certificate.expectation([one], [one | {name: "other"}])
    assert "unknown" in certificate.expectation([{}], [one])
