"""A concept of a reader's own (notebook 09, `python -m ktlib teach`): teach it, and say what its pictures allow.

There is one concept and no other to average over, so whatever is said holds for these pictures and this model. Every
lesson walks through the rates and is read where it has forgotten as much as the others (D10); no rate is chosen, and
nothing is chosen on the pictures that the verdict comes from. Rows are drawn and not kept: nothing here belongs to an
item of the papers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from ktlib import places
from ktlib.companion.record.judging import FAILS, HOLDS, MARGIN, NOT_TESTABLE, UNDECIDED, counted, judge, points
from ktlib.companion.record.rows import Row
from ktlib.companion.scales import Scale
from ktlib.companion.studies import bench
from ktlib.companion.studies.bench import Course, Lesson
from ktlib.companion.studies.subjects import Fold, Subject, row
from ktlib.companion.studies.walks import Answers, Walk, gain
from ktlib.data.sets import Concept, Examination
from ktlib.evaluate.intervals import Estimate
from ktlib.evaluate.recognition import recognition
from ktlib.models import DualEncoder
from ktlib.pocket.folds import SPARE
from ktlib.pocket.training.new_word import NewWord, learn_word
from ktlib.store import remembered
from ktlib.transfer import named_caption

ITEM = "own concept"  # of rows that are drawn: none of the papers'
OURS = "pocket/"  # how the names of models begin whose vocabulary is closed
FEWEST = 10  # pictures; fewer decide nothing: ours (KT v1, Sec. 4.1 examines ten)
ENOUGH = 0.9  # who recognises so many before the transfer has nothing left to learn: ours
_VERSION = 1  # raise it when the same settings give other answers
NAMED = {
    "base": "before", "word": "the word alone", "prompt": "description as prompt", "kt": "inverted images (KT)",
    "noise": "noise images", "real": "real pictures",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Everything that is known of one concept after it was taught.

    Attributes:
        concept: that was.
        names: what a picture can be taken for, the concept last.
        answers: by arm: `base`, `word` where a word was missing, `prompt`, `kt`, `noise`, and `real` where there
            are pictures to learn from; the last three where they have forgotten equally much.
        walks: those three at every rate that was tried, a walk for each seed.
        lesson: inverted images of the first seed.
        similarity: of the finished images to the description, mean over seeds.
        fit: cosine of the mean picture to the description.
        near: cosine of the mean picture to the mean image of each lesson, in the eyes of the model before.
        word: the cosine of the class prompt to the description before and after the word was taught; None where
            no word was missing.
        budget: the loss of retention at which the lessons are read; None where one rate was asked for, and each is
            read after it.
    """

    concept: Concept
    names: tuple[str, ...]
    answers: Mapping[str, Answers]
    walks: Mapping[str, tuple[Walk, ...]]
    lesson: Lesson
    similarity: float
    fit: float
    near: Mapping[str, float]
    word: tuple[float, float] | None
    budget: float | None

    @property
    def count(self) -> int:
        """How many pictures it is examined with."""
        return self.answers["base"].hits.shape[1]

    @property
    def start(self) -> str:
        """The arm that transfer starts from."""
        return "word" if "word" in self.answers else "base"

    def gain(self, arm: str, other: str) -> Estimate:
        """How much more often the pictures are recognised after one arm than after another."""
        return gain(self.answers[arm], self.answers[other])

    def taken_for(self, arm: str = "base") -> dict[str, int]:
        """How often pictures are taken for each name after the first seed of an arm, most often first."""
        counts = self.answers[arm].named[0].sum(0).round().astype(int).tolist()
        order = sorted(range(len(counts)), key=lambda place: (-counts[place], place))
        return {self.names[place]: counts[place] for place in order if counts[place]}


@dataclass(frozen=True)
class Finding:
    """What may be said of a concept.

    Attributes:
        word: `holds`, `does not hold`, `inconclusive` or `not testable here`, of the claim `CLAIM`.
        said: in a sentence or two, with the intervals.
        why: what was computed that speaks to why, a sentence each.
    """

    word: str
    said: str
    why: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.word}: {self.said}", *(f"  - {reason}" for reason in self.why)])


CLAIM = (
    "images inverted from the description teach the concept, and teach it better than noise under the same caption "
    "that has forgotten as much"
)


# -- before anything is taught ----------------------------------------------------------------------------
def subject(model: DualEncoder, exam: Examination, scale: Scale, *, cache: Path | None = None) -> Subject:
    """A model with an examination in one concept, to be taught with the scale's recipe for CLIP, several seeds.

    Args:
        model: to be taught.
        exam: with one concept, or with validation concepts to choose a rate on.
        scale: whose recipe.
        cache: where inversions and answers are kept; by default `places.cache()`.

    Raises:
        ValueError: a name or a description of the examination does not suit the model.
    """
    for concept in exam.concepts:
        _check(model, concept, exam)
    return Subject(model.name, (Fold(model, exam),), scale.clip, scale, cache or places.cache())


def _check(model: DualEncoder, concept: Concept, exam: Examination) -> None:
    """Refuse what the model cannot read, before anything is computed."""
    if model.name.startswith(OURS):
        words = getattr(model.tokenizer, "tokenizer", None)
        unknown = [w for w in concept.name.split() if words and words.unk_token_id in words(w).input_ids]
        if unknown:
            raise ValueError(
                f"expected a name that {model.name} has a token for, found {concept.name!r}; take one of the names "
                f"that mean nothing yet ({', '.join(SPARE)}), or a published model, which spells any name out"
            )
    model.tokenize([concept.main, named_caption(concept.name, concept.main)])
    model.tokenize([template.replace("{}", concept.name) for template in exam.templates])


def has_met(model: DualEncoder, whole: Examination, name: str) -> bool:
    """Whether a pocket model has read sentences about a name, as it has about each rare concept of its examination.

    Of published models nobody knows.

    Args:
        model: to be taught.
        whole: what the tables examine it with.
        name: of a concept.
    """
    return model.name.startswith(OURS) and name in {concept.name for concept in whole.concepts}


def missing_word(own: Subject) -> NewWord | None:
    """The model after its text tower has learnt the concept's name from the description; None where it has one.

    Only the spare names of the pocket models are missing: they have a token, and no caption ever held it. A rare
    name was explained to the text tower while it was trained, and a published model spells every name.

    Args:
        own: with one concept.
    """
    model, exam = own.only.dual, own.exam
    (concept,) = exam.concepts
    if not (model.name.startswith(OURS) and concept.name in SPARE):
        return None
    return learn_word(model, concept.name, concept.main, others=exam.known_names)


# -- teaching ---------------------------------------------------------------------------------------------
def study(own: Subject, *, rate: float | None = None, learnt: NewWord | None = None, progress: bool = True) -> Outcome:
    """Teach one concept in every way, and ask for every picture what it is taken for.

    Args:
        own: with one concept; its rates are walked through, each lesson until all its seeds have spent the budget.
        rate: the one to use in place of the walk; then no verdict is reached, for lessons at one rate have not
            forgotten equally much.
        learnt: the missing word, where it was taught already; by default it is taught here.
        progress: show bars.
    """
    (concept,) = own.exam.concepts
    learnt = learnt or missing_word(own)
    before = own.only
    fold = Fold(learnt.model, own.exam) if learnt else before
    own = replace(own, folds=(fold,), teaching=replace(own.teaching, seeds=own.scale.seeds))
    budget = own.scale.budget if rate is None else None
    rates = sorted(own.teaching.rates) if rate is None else [rate]
    answers = {"base": _asked(own, before, concept)}
    start = answers["base"]
    if learnt:
        start = answers["word"] = _asked(own, fold, concept)
    answers["prompt"] = _asked(own, fold, concept, prompts=[named_caption(concept.name, concept.main)])
    arms = {method: bench.lessons(own, [concept], method, progress=progress) for method in ("kt", "noise", "real")}
    arms = {method: lessons for method, lessons in arms.items() if lessons}
    walks = {}
    for method, lessons in arms.items():
        by_seed = {seed: lesson for (_, seed), lesson in lessons.items()}
        said = f"{concept.name}: {NAMED[method]}" if progress else None
        walks[method] = _walked(own, fold, concept, by_seed, start, rates, said=said)
        answers[method] = _together([walk.at(start, budget) for walk in walks[method]])
    first = own.teaching.seeds[0]
    finals = [lesson.inversion.final.mean() for lesson in arms["kt"].values() if lesson.inversion]
    model, shown = fold.dual, own.exam.pictures(concept.name)
    with torch.no_grad():
        mean = torch.nn.functional.normalize(model.encode_many(shown).mean(0), dim=0)
        fit = float(mean @ model.encode_text([concept.main])[0])
        near = {}
        for method, lessons in arms.items():
            own_images = model.encode_many(lessons[concept.name, first].images)
            near[method] = float(torch.nn.functional.normalize(own_images.mean(0), dim=0) @ mean)
    return Outcome(
        concept, (*own.exam.known_names, concept.name), answers, walks, arms["kt"][concept.name, first],
        float(torch.stack(finals).mean()), fit, near, (learnt.cosines[0], learnt.cosines[-1]) if learnt else None,
        budget,
    )  # fmt: skip


def _walked(
    own: Subject,
    fold: Fold,
    concept: Concept,
    lessons: Mapping[int, Lesson],
    start: Answers,
    rates: list[float],
    *,
    said: str | None,
) -> tuple[Walk, ...]:
    """A walk for each seed, all through the same rates: up to the first after which every seed has spent the budget."""
    caption = named_caption(concept.name, concept.main)
    walks = [Walk(seed, (), ()) for seed in sorted(lessons)]
    with tqdm(total=len(rates) * len(walks), desc=said, disable=said is None) as bar:
        for rate in rates:
            recipe = replace(own.teaching.transfer, lr=rate)
            for place, walk in enumerate(walks):
                course = Course(lessons[walk.seed], caption, (), walk.seed, recipe)
                walks[place] = walk.on(rate, _asked(own, fold, concept, course=course))
                bar.update()
            if all(walk.spends(start, own.scale.budget) for walk in walks):
                bar.total = bar.n
                break
    return tuple(walks)


def _asked(
    own: Subject, fold: Fold, concept: Concept, *, course: Course | None = None, prompts: list[str] | None = None
) -> Answers:
    exam = fold.exam
    path = own.file("answers", "own concept", _VERSION, fold, concept.name, prompts, course)

    def compute() -> dict[str, list[int]]:
        result = recognition(
            course(fold.model) if course else fold.model, concept.name, exam.pictures(concept.name), exam.known,
            exam.known_names, templates=exam.templates, concept_prompts=prompts, too_long="cut",
        )  # fmt: skip
        return {"taken": result.mistaken.tolist(), "kept": result.retained.int().tolist()}

    said = remembered(path, compute)
    named = np.eye(len(exam.known_names) + 1)[said["taken"]]
    return Answers(named[None], np.array([said["kept"]], float))


def _together(seeds: list[Answers]) -> Answers:
    return Answers(np.concatenate([a.named for a in seeds]), np.concatenate([a.kept for a in seeds]))


def curves(own: Subject, outcome: Outcome) -> list[Row]:
    """Every walk as rows, for `plots.trade_off`: what is recognised and what is kept at each rate.

    Args:
        own: that was taught.
        outcome: what came of it.
    """
    asked: list[tuple[str, int | None, dict[str, str], Answers]] = [("base", None, {}, outcome.answers[outcome.start])]
    for method, walks in outcome.walks.items():
        for walk in walks:
            rates = [{"lr": f"{rate:g}"} for rate in walk.rates]
            asked += [(method, walk.seed, lr, step) for lr, step in zip(rates, walk.steps, strict=True)]
    rows = []
    for method, seed, varied, answers in asked:
        kept = Estimate(answers.retained, answers.retained, answers.retained)
        measured = ("target_accuracy", answers.recognised, outcome.count), ("retention", kept, answers.kept.shape[1])
        rows += [
            row(
                own, ITEM, method, metric, estimate, about=outcome.concept.name, split="test", n=n, seed=seed,
                varied=varied,
            )
            for metric, estimate, n in measured
        ]  # fmt: skip
    return rows


# -- what may be said -------------------------------------------------------------------------------------
def finding(outcome: Outcome) -> Finding:
    """A verdict on `CLAIM` for one concept, and why.

    Where one rate or one seed was asked for there is none. It holds when the pictures are recognised more often than
    before and than after noise, both intervals above 0; it does not hold when either lies below what is worth claiming
    (`judging.MARGIN`). Fewer than `FEWEST` pictures decide nothing, nor does a concept that was recognised before;
    where real pictures do not teach, the recipe cannot be tested here.
    """
    over, against = outcome.gain("kt", outcome.start), outcome.gain("kt", "noise")
    real = outcome.gain("real", outcome.start) if "real" in outcome.answers else None
    said = f"transfer minus {NAMED[outcome.start]} {points(over)}, minus noise {points(against)}"
    seeds = len(outcome.answers["kt"].hits)
    said += f" ({counted(outcome.count, 'picture')}, {counted(seeds, 'seed')})"
    started = outcome.answers[outcome.start].recognised.value
    judged = [judge(over, MARGIN), judge(against, MARGIN)]
    if outcome.budget is None:
        word, said = UNDECIDED, f"at one rate lessons have not forgotten equally much, see the cost; {said}"
    elif outcome.count < FEWEST:
        too_few = f"{counted(outcome.count, 'picture')} {'is' if outcome.count == 1 else 'are'} too few to decide"
        word, said = UNDECIDED, f"{too_few}, {FEWEST} would be the least; {said}"
    elif seeds == 1:
        word, said = UNDECIDED, f"one seed does not say what another would have dreamt; {said}"
    elif started >= ENOUGH:
        word, said = UNDECIDED, f"{started:.0%} are recognised before the transfer, little is left to learn; {said}"
    elif real is not None and real.low <= 0:
        word, said = NOT_TESTABLE, f"not even real pictures teach it: {points(real)} over the start; {said}"
    else:
        word = FAILS if FAILS in judged else HOLDS if judged == [HOLDS, HOLDS] else UNDECIDED
        said += f"; a gain that surely lies below {100 * MARGIN:g} points is none"
        if word is FAILS:
            said += f"; {_broke(outcome, FAILS in judged[:1])}"
    return Finding(word, said, tuple(_reasons(outcome, real)))


def _broke(outcome: Outcome, at_the_start: bool) -> str:
    """Where a concept that does not hold fails."""
    shares = {arm: f"{answers.recognised.value:.0%}" for arm, answers in outcome.answers.items()}
    if at_the_start:
        return f"the transfer adds nothing worth claiming to {shares[outcome.start]} ({NAMED[outcome.start]})"
    return f"noise under the same caption reaches {shares['noise']} and the images {shares['kt']}: they earn no credit"


def _reasons(outcome: Outcome, real: Estimate | None) -> list[str]:
    """Sentences that are true whatever came out: each says a number, and what it is to be compared with."""
    shares = {arm: answers.recognised.value for arm, answers in outcome.answers.items()}
    told = []
    if outcome.word:
        told.append(
            f"the word: its prompt went from {outcome.word[0]:.2f} to {outcome.word[1]:.2f} (cosine to the sentence), "
            f"with no picture; that alone took recognition from {shares['base']:.0%} to {shares['word']:.0%}"
        )
    told.append(
        f"the images: {outcome.similarity:.2f} like the sentence to this model, and your pictures {outcome.fit:.2f}; "
        f"like your pictures the images are {outcome.near['kt']:.2f}, noise {outcome.near['noise']:.2f}"
        + (f", real pictures {outcome.near['real']:.2f}" if "real" in outcome.near else "")
    )
    noise = outcome.gain("noise", outcome.start)
    told.append(
        f"the caption: noise under it makes {points(noise)} over the start, "
        + ("so the caption teaches without any picture" if noise.low > 0 else "so no gain of it alone is shown")
    )
    told.append(
        f"no training: the description as prompt recognises {shares['prompt']:.0%}, transfer {shares['kt']:.0%}"
    )
    if real is None:
        told.append("the recipe: no real pictures were given to learn from, so whether it can teach here is not known")
    else:
        rest = outcome.gain("real", "kt")
        told.append(
            f"the recipe: real pictures recognise {shares['real']:.0%}, {points(rest)} over inverted ones, "
            + ("so it can teach more than these images hold" if rest.low > 0 else "no more is shown than from them")
        )
    start = outcome.answers[outcome.start]
    lost = ", ".join(f"{NAMED[arm]} {points(outcome.answers[arm].retained - start.retained)}" for arm in outcome.walks)
    if outcome.budget is None:
        return [*told, f"the cost of this one rate, of what was known: {lost}"]
    told.append(
        f"the cost: each is read where {100 * outcome.budget:g} points of what was known are lost (between "
        f"two rates in proportion), or after its largest rate where it loses less: {lost}"
    )
    spent = {arm: all(walk.spends(start, outcome.budget) for walk in each) for arm, each in outcome.walks.items()}
    short = [NAMED[arm] for arm, all_of_it in spent.items() if not all_of_it]
    if short:
        told.append(f"not as far as that with every seed: {', '.join(short)}; larger rates might teach more")
    return told
