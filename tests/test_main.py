"""The command line: true exit statuses and sentences instead of tracebacks."""

import subprocess
import sys
from dataclasses import replace

import pytest

from ktlib.__main__ import COMMANDS, main, parser
from ktlib.companion import lab
from ktlib.companion.record import rows
from ktlib.models.load import KINDS
from ktlib.places import WEIGHTS


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["explain", "KT Tab. 99"], "KT Tab."),
        (["pocket", "train", "clip-z"], "expected a recipe (clip-b, clip-b-0"),
    ],
)
def test_bad_input_is_an_error_in_one_sentence(argv, said, capsys):
    assert main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error


LOADED = """
import runpy, sys
module = sys.argv.pop(1)
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    print("torch" in sys.modules)
"""
WUG = ["teach", "wug", "--description", "a red star", "--examine"]


@pytest.mark.parametrize(
    ("module", "argv", "status", "said"),
    [
        ("ktlib", ["sing"], 2, "invalid choice: 'sing'"),
        ("ktlib", ["teach", "wug"], 2, "required: --description, --examine"),
        ("ktlib", [*WUG, "nowhere"], 1, "expected a folder of pictures at nowhere, found nothing"),
        ("ktlib", [*WUG, ".", "--lessons", "nowhere"], 1, "expected a folder of pictures at nowhere, found nothing"),
        ("ktlib", [*WUG, ".", "--known", "nowhere"], 1, "a folder for each known thing at nowhere, found nothing"),
        ("ktlib", ["data", "show", "zzz"], 1, "found 'zzz'"),
        ("ktlib", ["data", "check", "zzz"], 1, "found 'zzz'"),
        ("ktlib", ["data", "get", "zzz"], 1, "found 'zzz'"),
        ("ktlib", ["compare", "nowhere", "nowhere"], 1, "expected a folder with rows"),
        ("ktlib", ["site", "--scale", "nonsense"], 2, "invalid choice: 'nonsense'"),
        ("ktlib.companion.run_all", ["--only", "08"], 2, "no notebook '08'; there are: 00_start_here, "),
        ("ktlib.companion.run_all", ["--scale", "nonsense"], 2, "invalid choice: 'nonsense'"),
        ("ktlib.companion.run_all", ["--kernels", "nonsense"], 2, "invalid choice: 'nonsense'"),
        ("ktlib.companion.run_all", ["--seed", "-1"], 2, "expected a whole number from 0"),
    ],
)
def test_what_is_wrong_with_arguments_is_said_before_torch_is_loaded(module, argv, status, said):
    """Loading it takes seconds, and whoever mistyped waits for them."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, module, *argv], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout) == (status, "False\n")
    assert said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("gate", [[], ["clip"], ["zoom_shot"], ["vilt"]])
def test_calibration_says_what_is_missing(gate, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    assert main(["calibrate", *gate]) == 1
    error = capsys.readouterr().err
    name = "imagenet_100" if gate == ["vilt"] else "imagenet_1k_val"
    assert "expected" in error and f"`python -m ktlib data show {name}` says how to get it" in error


def test_words_and_models_are_listed(capsys):
    assert main(["pocket", "words"]) == 0
    assert "moongate" in capsys.readouterr().out.split()
    assert main(["models"]) == 0
    listed = capsys.readouterr().out.split()
    assert {f"{kind.__name__}:" for kind in KINDS} <= set(listed)
    assert {f"pocket/{path.name}" for path in WEIGHTS.iterdir()} <= set(listed)


def test_an_unknown_command_is_refused():
    with pytest.raises(SystemExit) as stopped:
        main(["sing"])
    assert stopped.value.code == 2


def test_every_command_is_in_the_help_of_its_group(capsys):
    for group in ("", "pocket", "data"):
        with pytest.raises(SystemExit):
            main([group, "--help"] if group else ["--help"])
        text = " ".join(capsys.readouterr().out.split())
        for name, command in COMMANDS.items():
            if name.rpartition(" ")[0] == group:
                assert f"{name.rpartition(' ')[2]} {command.help}" in text


def test_every_command_takes_its_own_arguments():
    given = {"explain": ["KT Tab. 1"], "compare": ["a", "b"], "pocket train": ["clip-b"]}
    given["teach"] = ["wug", "--description", "a red star", "--examine", "here"]
    given |= {f"data {verb}": ["jsrt"] for verb in ("show", "check", "get")}
    for name, command in COMMANDS.items():
        arguments = parser().parse_args([*name.split(), *given.get(name, [])])
        assert arguments.command is command


def test_two_folders_are_compared_and_a_difference_is_an_exit_status(tmp_path, capsys):
    own = rows.committed("pocket", "KT Tab. 5")
    for name, written in {"a": own, "b": own, "c": [replace(own[0], value=own[0].value + 1), *own[1:]]}.items():
        rows.write(written, seconds=1.0, command="", folder=tmp_path / name)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out.startswith(f"1 of 1 items are the same; rows: {len(own)} equal")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "c")]) == 1
    out = capsys.readouterr().out
    assert "0 of 1 items are the same" in out
    assert float(out.splitlines()[-1].split()[0]) == pytest.approx(1, abs=1e-4)  # by how much, then the row
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "empty")]) == 1
    assert "expected a folder with rows" in capsys.readouterr().err


def test_the_lab_hands_on_what_it_does_not_know_and_no_other_command_does(monkeypatch):
    asked = []
    monkeypatch.setattr(lab, "start", lambda **options: asked.append(options))
    assert main(["lab", "--fresh", "--no-browser", "--port=9000"]) == 0
    assert asked == [{"fresh": True, "arguments": ["--no-browser", "--port=9000"]}]
    with pytest.raises(SystemExit) as stopped:
        main(["words", "--no-browser"])
    assert stopped.value.code == 2
    with pytest.raises(SystemExit):
        main(["models", "--no-browser"])


def test_arguments_of_jupyterlab_stay_in_their_order(monkeypatch):
    given = []
    monkeypatch.setattr(lab, "start", lambda *, fresh, arguments: given.append((fresh, arguments)))
    assert main(["lab", "--no-browser", "--port", "8977", "--fresh"]) == 0
    assert given == [(True, ["--no-browser", "--port", "8977"])]


def test_a_reader_that_has_seen_enough_is_no_error():
    """`python -m ktlib explain … | head -1`"""
    command = "python -m ktlib explain 'KT Tab. 1' | true; exit ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", command.replace("python", sys.executable)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
