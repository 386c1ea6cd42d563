"""The published practice: beta and layer searched anew for every model, on three labelled images."""

from __future__ import annotations

from ktlib.companion.record.rows import Row
from ktlib.companion.sources import Lesion
from ktlib.companion.studies.bench import Course
from ktlib.companion.studies.segmentation.instrument import Instrument
from ktlib.companion.studies.segmentation.tables import Found, changes, choices, look, measured

ANEW = {"searched": "anew"}  # what the rows say of it


def searched(
    own: Instrument, item: str, lesion: Lesion, courses: dict[int, Course]
) -> tuple[list[Row], dict[str, str]]:
    """Rows of test images before and after a course, each model with a search of its own; and what each search found.

    Args:
        own: what looks and what outlines.
        item: for the rows.
        lesion: what is looked for.
        courses: of the method, by seed; the models that they lead to search too.

    Source: MedCLIP-SAMv2's `--hyper-opt`, as KT used it (D63).
    """
    found: dict[int | None, Found] = {}
    said: dict[str, str] = {}
    rows: list[Row] = []
    jobs: list[tuple[int | None, Course | None]] = [(None, None), *courses.items()]
    searches = choices(own, lesion, [course for _, course in jobs], rule="published")
    for (seed, course), search in zip(jobs, searches, strict=True):
        found[seed] = look(own, lesion, "test", [course], search.settings, varied=ANEW, progress=False)[0]
        state = "before" if seed is None else f"after, seed {seed}"
        said[state] = f"beta {search.settings.beta:g}, layer {search.settings.layer}"
        rows += measured(own, item, "base" if seed is None else "kt", [found[seed]])
    after = {seed: one for seed, one in found.items() if seed is not None}
    return rows + changes(own, item, "kt", after, found[None], over="base"), said
