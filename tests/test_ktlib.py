"""What `import ktlib` promises: every name is there, and says what it is."""

import pytest

import ktlib


@pytest.mark.parametrize("name", ktlib.__all__)
def test_every_name_is_there_and_documented(name):
    assert (getattr(ktlib, name).__doc__ or "").strip()


def test_the_verbs_of_both_papers_are_among_them():
    verbs = {"load", "invert", "transfer", "named_caption", "extract", "fit", "fit_many", "align", "least_squares"}
    assert verbs <= set(ktlib.__all__)
    assert sorted(ktlib.__all__, key=lambda name: (name[0].islower(), name)) == ktlib.__all__


def test_nothing_public_is_left_out():
    imported = {name for name, value in vars(ktlib).items() if callable(value) and not name.startswith("_")}
    assert imported <= set(ktlib.__all__)
