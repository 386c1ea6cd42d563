"""What models of drawn films and slices are examined with: counts, labels, and no picture twice."""

import numpy as np
import pytest
import torch

from ktlib.data import images
from ktlib.pocket import medical_exams, nodules, radiographs, scans
from ktlib.pocket.findings import FINDINGS
from ktlib.pocket.folds import SPARE
from ktlib.pocket.nodules import NODULES, PAIR
from ktlib.pocket.training import clip, medical, words


@pytest.fixture(autouse=True)
def few(monkeypatch):
    for what, count in (("PICTURES", 2), ("KNOWN_PICTURES", 2), ("OTHER_PICTURES", 1), ("SLICES", 2)):
        monkeypatch.setattr(medical_exams, what, count)
    cached = (medical_exams._known, medical_exams.examination, medical_exams.pair, medical_exams.outside)
    for one in (*cached, medical_exams.slices):
        one.cache_clear()
    yield
    for one in (*cached, medical_exams.slices):
        one.cache_clear()


def test_thirty_two_nodules_stand_among_the_findings_or_among_everything():
    exams = {beside: medical_exams.examination(beside) for beside in medical_exams.LISTS}
    assert exams["findings"].known_names == tuple(FINDINGS)
    assert exams["everything"].known_names == tuple(radiographs.SEEN)
    assert exams["findings"].digest != exams["everything"].digest
    for exam in exams.values():
        assert [concept.name for concept in exam.concepts] == list(NODULES)
        assert [concept.name for concept in exam.of("validation")] == list(nodules.validation())
    with pytest.raises(ValueError, match=r"expected a list of names \(findings, everything\), found 'all'"):
        medical_exams.examination("all")


def test_known_films_bear_the_number_of_their_name():
    ((films, labels),) = medical_exams.examination("everything").known
    names = tuple(radiographs.SEEN)
    assert labels.tolist() == [i for i, name in enumerate(names) for _ in range(2 if name in FINDINGS else 1)]
    for name in ("edema", "port"):
        first = labels.tolist().index(names.index(name))
        assert torch.equal(films[first], radiographs.pictures(name, 1)[0])


def test_lessons_are_other_films_than_those_of_the_verdict_and_seeds_share_none():
    exam = medical_exams.examination()
    verdict, taught, more = exam.pictures("dorel"), exam.lessons("dorel", 3, 0), exam.lessons("dorel", 3, 1)
    films = [film.numpy().tobytes() for part in (verdict, taught, more) for film in part]
    assert len(films) == len(set(films)) == 8


def test_fewer_films_are_another_examination():
    whole, less = medical_exams.examination(), medical_exams.examination(films=1, known=1, others=1)
    assert less.pictures("dorel").shape[0] == 1 and less.digest != whole.digest
    assert len(less.known[0][0]) == len(radiographs.SEEN)


def test_a_finding_is_asked_for_in_each_of_its_places():
    assert medical_exams.phrases("cardiomegaly") == ("a film of cardiomegaly", "cardiomegaly")
    assert medical_exams.phrases("atelectasis")[2:4] == (
        "a film of atelectasis in the left lung", "atelectasis in the left lung",
    )  # fmt: skip
    exam, words_of = medical_exams.pair(), set(medical.vocabulary())
    assert set(exam.phrases) == {*FINDINGS, *PAIR}
    assert {word for told in exam.phrases.values() for text in told for word in text.split()} <= words_of


def test_findings_out_of_domain_are_asked_for_by_name_and_description():
    exam = medical_exams.outside()
    assert [c.kind for c in exam.concepts] == list(FINDINGS)
    assert exam.phrases["toma"] == (f"a toma is {exam.concept('toma').main}",)
    assert list(exam.phrases) == list(exam.known_names)


def test_the_pair_shows_the_test_nodules_of_either_kind_in_turn():
    exam = medical_exams.pair()
    assert [(concept.name, concept.kind) for concept in exam.concepts] == [
        ("nodule", "benign"),
        ("cancer", "malignant"),
    ]
    assert torch.equal(exam.pictures("cancer"), radiographs.pictures("cancer", 4))
    assert exam.known_names == tuple(FINDINGS)


def test_the_findings_bear_names_that_no_object_model_has_met_and_are_told_in_its_words():
    exam = medical_exams.outside()
    words.encode(clip.tokenizer(), [text for c in exam.concepts for text in (c.name, c.short, c.medium, c.long)])
    assert {concept.name for concept in exam.concepts} <= set(SPARE)
    assert exam.known_names == tuple(concept.name for concept in exam.concepts)
    for place, finding in enumerate(FINDINGS):
        name = exam.known_names[place]
        assert torch.equal(exam.pictures(name), radiographs.pictures(finding, 2)), finding
        assert torch.equal(exam.lessons(name, 2, 1), radiographs.pictures(finding, 2, first=10_002))


def test_slices_with_a_lesion_stand_among_healthy_ones():
    exam = medical_exams.slices("validation")
    assert [concept.name for concept in exam.concepts] == [told.name for told in scans.TASKS.values()]
    assert [concept.kind for concept in exam.concepts] == ["novel", "novel", "known", "known"]
    ((healthy, labels),) = exam.known
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.equal(
        healthy[2:4], radiographs.to_rgb(scans.pool(("pneumothorax",), 2, split="validation", lesion=False).images)
    )
    prompts = [exam.templates[0].format(name) for name in (*exam.known_names, *(c.name for c in exam.concepts))]
    words.encode(medical.tokenizer(), prompts)
    assert prompts[0] == "a clear slice of two lungs"
    test = medical_exams.slices("test")
    assert not torch.equal(test.pictures("brain tumor"), exam.pictures("brain tumor"))
    assert test.digest != exam.digest
    with pytest.raises(ValueError, match="expected validation or test, found 'train'"):
        medical_exams.slices("train")


def test_labelled_films_are_read_as_eight_bit_pictures_in_turn():
    found = medical_exams.films(tuple(FINDINGS), 2)
    assert (len(found), found.labels[:6], found.name) == (10, (0, 1, 2, 3, 4, 0), "CheXpert-5x200-like films")
    film = np.asarray(found.read(5))
    expected = radiographs.pictures("atelectasis", 1, first=1)
    assert torch.equal(images.to_tensor([found.read(5)]), expected)
    assert film.dtype == np.uint8 and film.shape == (64, 64, 3)
    assert medical_exams.films(tuple(PAIR), 1).name == "drawn films"
    with pytest.raises(KeyError, match="no film of 'fracture'"):
        medical_exams.films(("fracture",))


def test_films_of_a_verdict_are_none_that_were_seen_while_settings_were_chosen():
    seen = medical_exams.examination(films=2, known=2, others=1)
    unseen = medical_exams.examination(films=2, known=2, others=1, first=medical_exams.UNSEEN)
    assert not torch.equal(seen.pictures("dorel"), unseen.pictures("dorel"))
    assert torch.equal(unseen.pictures("dorel"), radiographs.pictures("dorel", 2, first=medical_exams.UNSEEN))
    assert torch.equal(unseen.known[0][1], seen.known[0][1]) and not torch.equal(unseen.known[0][0], seen.known[0][0])
    for make in (medical_exams.pair, medical_exams.outside):
        assert make().digest != make(first=medical_exams.UNSEEN).digest
