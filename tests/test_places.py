"""The environment is asked in one place, and every spelling means what it says."""

from pathlib import Path

import pytest

from ktlib import places


@pytest.mark.parametrize("said", ["1", "true", "True", "YES", "on", " 1 "])
@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_every_spelling_of_offline_counts(monkeypatch, name, said):
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    assert not places.offline()
    monkeypatch.setenv(name, said)
    assert places.offline()


@pytest.mark.parametrize("said", ["", "0", "false", "no"])
def test_and_every_spelling_of_its_contrary(monkeypatch, said):
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(variable, said)
    assert not places.offline()


@pytest.mark.parametrize(
    ("variable", "place"), [("KT_DATA", places.data), ("KT_CACHE", places.cache), ("KT_RUNS", places.runs)]
)
def test_a_folder_is_absolute_whatever_the_variable_says(monkeypatch, tmp_path, variable, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, "")
    assert place().parent == places.ROOT  # empty means unset
    for said, meant in (("~/kt", tmp_path / "home/kt"), ("here", tmp_path / "here"), ("/a b", Path("/a b"))):
        monkeypatch.setenv(variable, said)
        assert place() == meant
        assert places.moved()[variable] == str(meant)


def test_what_is_not_moved_is_not_handed_on(monkeypatch):
    for variable in ("KT_DATA", "KT_CACHE", "KT_RUNS", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, "")
    assert places.moved() == {}


def test_a_package_without_the_repository_says_what_it_lacks(monkeypatch, tmp_path):
    assert places.manifests() == places.ROOT / "data_manifests"
    monkeypatch.setattr(places, "MANIFESTS", tmp_path / "data_manifests")
    with pytest.raises(FileNotFoundError, match=r"expected the repository around .* pip install --editable \."):
        places.manifests()


def test_a_home_that_nobody_has_is_said(monkeypatch):
    monkeypatch.setenv("KT_CACHE", "~nobody-of-that-name/kt")
    with pytest.raises(ValueError, match="expected a folder in KT_CACHE, found '~nobody-of-that-name/kt'"):
        places.cache()


def test_a_file_in_the_place_of_a_folder_is_named(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv("KT_DATA", str(file))
    with pytest.raises(ValueError, match=f"expected a folder in KT_DATA, found the file {file}; name a folder"):
        places.data()
    monkeypatch.setenv("KT_DATA", str(tmp_path / "not there yet"))
    assert places.data() == tmp_path / "not there yet"
