"""Progress: estimates by hand, and lines as a reader sees them."""

import io
import json
import time

import psutil
import pytest

from ktlib.companion import progress
from ktlib.companion.progress import Progress, Times, duration, earlier


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


def shown(clock, times, of=2, out=None):
    one = Progress(times, of, out or io.StringIO(), clock)
    one.starts(1, "01_first", ["02_second"])
    one.stops()
    return one


TIMES = {"01_first": Times(600, {"a": 100, "b": 200, "c": 300}), "02_second": Times(120, {})}


def test_what_is_left_is_the_rest_of_this_cell_and_the_cells_to_come(clock):
    one = shown(clock, TIMES)
    assert one.left() == 600
    one.cell(1, 4, "a")
    assert one.left() == 600
    clock.now = 60
    assert one.left() == 540
    clock.now = 100
    one.cell(2, 4, "b")
    assert one.left() == 500
    assert one.line() == "[1/2] 01_first … cell 2/4, about 8 min left (10 min with the others)"


def test_a_slower_machine_corrects_the_estimate(clock):
    one = shown(clock, TIMES)
    one.cell(1, 4, "a")
    clock.now = 300  # thrice as long as it took
    one.cell(2, 4, "b")
    assert one.pace == 3
    assert one.left() == 1500


def test_a_cell_that_takes_longer_than_it_did_leaves_the_others(clock):
    one = shown(clock, TIMES)
    one.cell(1, 4, "a")
    clock.now = 5000
    assert one.left() == 500


def test_without_earlier_times_there_is_no_estimate(clock):
    one = shown(clock, {})
    one.cell(3, 4, "x")
    clock.now = 120
    assert one.left() is None
    assert one.line() == "[1/2] 01_first … cell 3/4, 2 min so far"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (49, "less than a minute"),
        (55, "about 1 min"),
        (540, "about 9 min"),
        (9000, "about 2.5 h"),
    ],
)
def test_durations_are_as_exact_as_an_estimate(seconds, text):
    assert duration(seconds) == text


def test_earlier_times_come_from_the_own_run_else_from_the_committed_ones(tmp_path):
    own, committed = tmp_path / "01_first.json", tmp_path / "times.json"
    assert earlier("01_first", [own, committed]) is None
    committed.write_text(json.dumps({"01_first": {"seconds": 9.0, "cells": {"a": 9.0}}}))
    assert earlier("01_first", [own, committed]) == Times(9.0, {"a": 9.0})
    assert earlier("02_second", [own, committed]) is None
    own.write_text("{")
    assert earlier("01_first", [own, committed]) == Times(9.0, {"a": 9.0})
    own.write_text(json.dumps({"seconds": 7.0, "cells": {}, "digest": "d"}))
    assert earlier("01_first", [own, committed]) == Times(7.0, {})


def test_a_terminal_is_redrawn_in_place_and_a_line_that_stays_clears_it(clock, monkeypatch):
    monkeypatch.setattr(progress, "TICK", 0.01)
    out = Terminal()
    one = Progress(TIMES, 2, out, clock)
    one.starts(1, "01_first")
    one.cell(2, 4, "b")
    while "cell 2/4" not in out.getvalue():
        time.sleep(0.005)
    one.stops()
    one.say("[1/2] 01_first: ran in 9 s")
    assert "\n" not in out.getvalue().removesuffix("ran in 9 s\n")
    assert "\r\x1b[K[1/2] 01_first … cell 2/4, about 10 min left" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K[1/2] 01_first: ran in 9 s\n")


def test_without_a_terminal_there_is_a_line_at_the_start_and_one_a_minute(clock, monkeypatch):
    monkeypatch.setattr(progress, "MINUTE", 0.05)
    out = io.StringIO()
    one = Progress(TIMES, 2, out, clock)
    one.starts(1, "01_first")
    one.cell(1, 4, "a")
    while out.getvalue().count("\n") < 3:
        time.sleep(0.005)
    one.stops()
    lines = out.getvalue().splitlines()
    assert lines[0] == "[1/2] 01_first: started, about 10 min"
    assert lines[1].startswith("[1/2] 01_first … ")
    assert "\r" not in out.getvalue()


def test_a_notebook_that_held_more_than_is_free_is_announced_with_both_numbers(clock, monkeypatch):
    monkeypatch.setattr(progress, "free_memory", lambda: 1000.0)
    out = io.StringIO()
    one = Progress({"01_first": Times(60, {}, 4000.0), "02_second": Times(60, {}, 900.0)}, 3, out, clock)
    for number, stem in enumerate(("01_first", "02_second", "03_unknown"), 1):
        one.starts(number, stem)
        one.stops()
    (warning,) = [line for line in out.getvalue().splitlines() if "memory" in line]
    assert warning.startswith("[1/3] 01_first: expected 4000 MiB of free memory")
    assert "found 1000" in warning and "nothing that was computed is lost" in warning


@pytest.mark.parametrize(("limit", "free"), [("2097152", 1.0), ("max", None), (None, None)])
def test_a_container_has_what_it_is_given(monkeypatch, tmp_path, limit, free):
    if limit is not None:
        (tmp_path / "most").write_text(limit)
    (tmp_path / "used").write_text("1048576")
    monkeypatch.setattr(progress, "LIMITS", [(tmp_path / "most", tmp_path / "used")])
    whole = psutil.virtual_memory().total / 2**20
    assert progress.free_memory() == free if free else 1 < progress.free_memory() <= whole


@pytest.mark.parametrize("content", [b"\xff", b"[]", b"3", b'{"00": 3}', b'{"00": {"cells": {}}}', b"{"])
def test_a_damaged_record_of_times_is_as_good_as_none(tmp_path, content):
    whole = tmp_path / "whole.json"
    whole.write_text('{"00": {"seconds": 2.0, "cells": {}}}')
    (tmp_path / "times.json").write_bytes(content)
    assert progress.earlier("00", [tmp_path / "times.json"]) is None
    assert progress.earlier("00", [tmp_path / "times.json", whole]) == progress.Times(2.0)
