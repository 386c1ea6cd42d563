"""Without Java, and with the tiny gallery for all splits."""

import pytest

from ktlib.companion import sources
from ktlib.companion.studies.captioning import arms
from ktlib.evaluate import java
from tests.companion.studies.captioning import tiny


def none():
    raise java.NoAnswer("no Java in this test")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(java, "find", none)
    monkeypatch.setattr(sources, "gallery", lambda name, split: tiny.GALLERY)
    monkeypatch.setattr(arms, "TEMPLATES", tiny.PROMPTS)


@pytest.fixture
def subject(tmp_path):
    return tiny.subject(tmp_path)
