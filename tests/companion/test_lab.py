"""The working copy: what is edited is kept, what is not follows its original."""

import json
import os

import nbformat

from ktlib.companion import lab
from ktlib.places import ROOT
from tests.companion.tiny_notebooks import write_notebook


def edit(path, source):
    node = nbformat.read(path, as_version=4)
    node.cells[-1].source = source
    nbformat.write(node, path)


def source(path):
    return nbformat.read(path, as_version=4).cells[-1].source


def test_copies_are_made_and_kept_when_edited(tmp_path):
    original = write_notebook(tmp_path, "01_first", "1")
    copy = tmp_path / "explore/01_first.ipynb"
    assert lab.refresh(tmp_path) == []
    assert copy.read_bytes() == original.read_bytes()
    edit(copy, "mine")
    assert lab.refresh(tmp_path) == []
    edit(original, "2")
    for _ in range(2):  # said each time, not only the first
        (said,) = lab.refresh(tmp_path)
        assert said == "explore/01_first.ipynb is yours, and notebooks/01_first.ipynb has changed since: it is kept"
        assert source(copy) == "mine"


def test_a_copy_that_was_only_run_follows_its_original(tmp_path):
    original = write_notebook(tmp_path, "01_first", "1")
    lab.refresh(tmp_path)
    copy = tmp_path / "explore/01_first.ipynb"
    node = nbformat.read(copy, as_version=4)
    node.cells[-1].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(node, copy)
    assert lab.refresh(tmp_path) == []
    assert nbformat.read(copy, as_version=4).cells[-1].outputs
    edit(original, "2")
    assert lab.refresh(tmp_path) == ["explore/01_first.ipynb was made anew: notebooks/01_first.ipynb has changed"]
    assert source(copy) == "2"


def test_a_fresh_start_keeps_the_former_copies(tmp_path):
    write_notebook(tmp_path, "01_first", "1")
    lab.refresh(tmp_path)
    edit(tmp_path / "explore/01_first.ipynb", "mine")
    (said,) = lab.refresh(tmp_path, fresh=True)
    assert said.startswith("the former copies are in explore/before-")
    assert source(tmp_path / "explore/01_first.ipynb") == "1"
    (kept,) = (tmp_path / "explore").glob("before-*/01_first.ipynb")
    assert source(kept) == "mine"


def test_a_damaged_copy_is_somebodys_and_a_lost_one_is_made_again(tmp_path):
    write_notebook(tmp_path, "01_first", "1")
    lab.refresh(tmp_path)
    copy = tmp_path / "explore/01_first.ipynb"
    copy.unlink()
    assert lab.refresh(tmp_path) == []
    assert source(copy) == "1"
    copy.write_text("{")
    edit(tmp_path / "notebooks/01_first.ipynb", "2")
    assert "is yours" in lab.refresh(tmp_path)[0]
    assert copy.read_text() == "{"


def test_the_lab_has_the_repository_as_its_root_and_no_run_to_write_to(monkeypatch):
    monkeypatch.setenv("KT_OUTPUT", "/somewhere")
    monkeypatch.setenv("PYTHONPATH", "other")
    words = lab.command(arguments=["--no-browser"])
    assert f"--ServerApp.root_dir={ROOT}" in words
    assert "--LabApp.default_url=/lab/tree/explore/00_start_here.ipynb" in words
    assert words[-1] == "--no-browser"
    assert "KT_OUTPUT" not in lab.environment()
    assert lab.environment()["PYTHONPATH"] == os.pathsep.join([str(ROOT), "other"])


def test_links_out_of_a_copy_lead_where_they_do_from_the_original():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert "](../notebooks" not in "".join(cell["source"])  # beside each other in both folders
