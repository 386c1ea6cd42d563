"""Sweeps: right rows, right controls, remembered scores, resumed runs."""

from dataclasses import replace

import pytest
import torch

from ktlib.companion import scales
from ktlib.companion.studies import bench as experiments
from ktlib.companion.studies.bench import Subject
from ktlib.inversion import InversionSettings

HERE = replace(
    scales.scale("pocket"),
    seeds=(0, 1),
    rates=(1e-4, 4e-4),
    images_per_concept=4,
    inversion=InversionSettings(steps=3, sizes=((0, 64),)),
)


@pytest.fixture
def who(tmp_path):
    subject = experiments.subject("pocket/clip-b", HERE, cache=tmp_path)
    known = [(images[::20], labels[::20]) for images, labels in subject.exam.known]
    return Subject(
        subject.model,
        replace(subject.exam, known=known, pictures=lambda n: subject.exam.pictures(n)[:5]),
        HERE,
        tmp_path,
    )


def test_a_sweep_has_a_row_for_every_concept_seed_rate_and_metric(who):
    concepts = who.exam.of("validation")[:2]
    lessons = experiments.inverted(who, concepts, progress=False)
    assert set(lessons) == {(c.name, s) for c in concepts for s in HERE.seeds}
    rows = experiments.sweep(who, "KT Tab. 1", "kt", concepts, lessons, progress=False)
    assert len(rows) == 2 * 2 * 2 * 3
    assert {r.lr() for r in rows} == set(HERE.rates)
    assert {r.split for r in rows} == {"validation"}


def test_scores_are_remembered_and_a_killed_sweep_goes_on(who, monkeypatch):
    concepts, calls, real = who.exam.of("test")[:1], [], experiments.transfer

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(experiments, "transfer", counted)
    lessons = experiments.noise(who, concepts)
    with pytest.raises(KeyboardInterrupt):
        experiments.sweep(who, "KT Tab. 1", "noise", concepts, lessons, progress=False)
    first = experiments.sweep(who, "KT Tab. 1", "noise", concepts, lessons, progress=False)
    assert len(calls) == 3 + 2  # two of four were done
    assert experiments.sweep(who, "KT Tab. 1", "noise", concepts, lessons, progress=False) == first
    assert len(calls) == 5


def test_other_images_are_other_scores(who):
    concepts = who.exam.of("test")[:1]
    noise = experiments.noise(who, concepts)
    dark = {k: v * 0 for k, v in noise.items()}
    one, other = (
        [r.value for r in experiments.sweep(who, "x", "noise", concepts, lessons, rates=[1e-2], progress=False)]
        for lessons in (noise, dark)
    )
    assert len(list((who.cache / "scores").iterdir())) == 4
    assert len(one) == len(other)


def test_the_wrong_control_gets_the_next_concepts_images(who):
    concepts = who.exam.of("validation")
    lessons = {(c.name, s): torch.full((1,), float(i)) for i, c in enumerate(concepts) for s in HERE.seeds}
    wrong = experiments.wrong(lessons, concepts)
    for i, c in enumerate(concepts):
        assert wrong[c.name, 0].item() == (i + 1) % len(concepts)


def test_real_lessons_are_not_among_the_examined_pictures():
    exam = experiments.examination("pocket")
    examined, lesson = exam.pictures("moongate"), exam.lessons("moongate", 10, 2)
    assert not any(torch.equal(a, b) for a in examined for b in lesson)


def test_the_prompt_baseline_trains_nothing(who, monkeypatch):
    monkeypatch.setattr(experiments, "transfer", None)
    rows = experiments.prompted(who, "KT v2 Tab. 2", who.exam.of("test")[:1])
    assert {r.method for r in rows} == {"prompt"}
    assert {r.seed for r in rows} == {-1}


def test_scales_are_data():
    assert set(scales.SCALES) == {"pocket", "rehearsal", "paper"}
    with pytest.raises(ValueError, match="expected a scale \\(pocket, rehearsal, paper\\), found 'huge'"):
        scales.scale("huge")
    assert scales.scale("paper").rates == (1e-5, 2e-5, 3e-5, 4e-5, 5e-5)
    assert not scales.scale("rehearsal").is_result
