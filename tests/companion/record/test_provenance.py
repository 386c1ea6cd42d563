"""Where a number comes from, in words that tell two machines and two commits apart."""

import subprocess

from ktlib.companion.record import provenance


def git(root, *arguments):
    command = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_code_that_differs_from_the_commit_is_marked_and_results_are_no_code(tmp_path):
    for name in ("ktlib", "results"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "All")
    clean = provenance.commit(tmp_path)
    assert clean.isalnum()
    (tmp_path / "results/a").write_text("2")
    assert provenance.commit(tmp_path) == clean
    (tmp_path / "ktlib/a").write_text("2")
    (tmp_path / "ktlib/new file").write_text("1")
    assert provenance.commit(tmp_path) == f"{clean}+"
    assert sorted(provenance.altered(tmp_path)) == ['"ktlib/new file"', "ktlib/a"]


def test_outside_git_the_commit_is_unknown(tmp_path):
    assert provenance.commit(tmp_path) == "unknown"
    assert provenance.altered(tmp_path) == []


def test_the_processor_and_its_threads_are_named():
    found = provenance.provenance()
    assert found["processor"].strip(", ") and int(found["threads"]) >= 1
    assert found.keys() >= {"date", "commit", "device", "torch", "python"}
