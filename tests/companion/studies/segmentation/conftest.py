"""With the tiny images for all lesions and splits, and words that the tiny model knows."""

import pytest

from ktlib.companion import sources
from ktlib.companion.studies.segmentation import checks
from tests.companion.studies.segmentation import tiny


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(sources, "masked_images", tiny.masked)
    monkeypatch.setattr(checks, "NONSENSE", "of is a of")


@pytest.fixture
def own(tmp_path):
    return tiny.instrument(tmp_path)
