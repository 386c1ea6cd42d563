"""The command line: true exit statuses and sentences instead of tracebacks."""

import pytest

from ktlib.__main__ import main


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["explain", "KT Tab. 99"], "KT Tab."),
        (["pocket", "train", "clip-z"], "expected a recipe (clip-b, clip-l, mobilenet"),
    ],
)
def test_bad_input_is_an_error_in_one_sentence(argv, said, capsys):
    assert main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error


def test_calibration_says_what_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    assert main(["calibrate"]) == 1
    assert "expected" in capsys.readouterr().err


def test_words_and_models_are_listed(capsys):
    assert main(["pocket", "words"]) == 0
    assert "moongate" in capsys.readouterr().out.split()
    assert main(["models"]) == 0
    assert "pocket/clip-b" in capsys.readouterr().out


def test_an_unknown_command_is_refused():
    with pytest.raises(SystemExit) as stopped:
        main(["sing"])
    assert stopped.value.code == 2
