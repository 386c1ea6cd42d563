"""What a captioner is taught in notebook 05: the method, and what stands beside it.

Everything is taught at once, as in KT v1, Sec. 4.4.3: some images of every class. The contrast compares each with the
sentence that explains its class, "A dog is …"; the decoder is told the class in one of 26 prompts, drawn anew whenever
an image is shown (KT v1, Sec. 8.8). Each control takes one part away, or puts the real thing in its place.
"""

from __future__ import annotations

from dataclasses import fields, replace

import torch

from ktlib.captioning import CaptioningSettings
from ktlib.companion import sources
from ktlib.companion.studies import bench
from ktlib.companion.studies.bench import Course, Lesson, Lessons, Subject
from ktlib.data.images import square
from ktlib.data.prompts import published
from ktlib.data.sets import Concept, Gallery
from ktlib.transfer import TransferSettings, named_caption

Cell = tuple[float, int]  # learning rate and passes over the lesson
ARMS = ("kt_visual", "kt", "noise", "templates", "real_templates", "real_captions")
LIKE = {"noise": "kt"}  # whose rate and passes an arm shares: ours (D53)
TEMPLATES = published("kt_caption_templates")
FIRST_NOISE = 2000  # seeds of noise, as in notebook 04


def classes(subject: Subject) -> tuple[Concept, ...]:
    """What is taught, all at once."""
    return subject.exam.concepts[: subject.scale.captioning.classes]


def courses(subject: Subject, method: str, *, progress: bool = True) -> dict[int, Course]:
    """What an arm teaches, a course for each seed.

    Args:
        subject: whose model is taught, and inverts.
        method: `kt` (inverted images, visual tower and decoder), `kt_visual` (the same images, by contrast alone,
            visual tower alone), `noise` (as `kt`, noise for images), `templates` (the decoder alone, told the same
            prompts without any image), `real_templates` (as `kt`, real pictures of each class), or `real_captions`
            (real pictures with what people wrote of them, as many as there are images elsewhere).
        progress: show a bar.

    Returns:
        By seed; empty where there are no real pictures to spare.

    Raises:
        ValueError: there is no such method.
    """
    if method not in ARMS:
        raise ValueError(f"expected one of {', '.join(ARMS)}, found {method!r}")
    seeds, recipe = subject.teaching.seeds, _recipe(subject)
    if method == "real_captions":
        return {seed: one for seed in seeds if (one := _real(subject, seed, recipe))}
    if method == "templates":
        texts = [prompts(one) for one in classes(subject) for _ in range(subject.teaching.images_per_concept)]
        return {seed: Course(None, "", (), seed, replace(recipe, contrast=0.0), texts) for seed in seeds}
    found = _lessons(subject, method, progress)
    return {seed: course for seed in seeds if (course := _of_classes(subject, found, seed, recipe, method))}


def _of_classes(
    subject: Subject, lessons: Lessons, seed: int, recipe: CaptioningSettings, method: str
) -> Course | None:
    """The images of all classes with what belongs to each, class after class; None where no class has any."""
    there = [one for one in classes(subject) if (one.name, seed) in lessons]
    if not there:
        return None
    own = [lessons[one.name, seed] for one in there]
    lesson = Lesson(torch.cat([one.images for one in own]), own[0].inversion)
    of = [one for one, images in zip(there, own, strict=True) for _ in images.images]  # the class of each image
    captions = [named_caption(one.name, one.main) for one in of]
    if method == "kt_visual":
        return Course(lesson, captions, (), seed, contrast_alone(recipe))
    return Course(lesson, captions, (), seed, recipe, [prompts(one) for one in of])


def prompts(concept: Concept) -> list[str]:
    """What the decoder may be told of a class."""
    return [prompt.format(concept.name) for prompt in TEMPLATES]


def _recipe(subject: Subject) -> CaptioningSettings:
    recipe = subject.teaching.transfer
    if not isinstance(recipe, CaptioningSettings):
        raise ValueError(f"expected CaptioningSettings for {subject.name}, found {type(recipe).__name__}")
    return recipe


def contrast_alone(recipe: CaptioningSettings) -> TransferSettings:
    """The same without the captioning loss: the decoder stays as it is."""
    return TransferSettings(**{field.name: getattr(recipe, field.name) for field in fields(TransferSettings)})


def at(course: Course, cell: Cell) -> Course:
    """The course at another learning rate, and with as many passes."""
    rate, epochs = cell
    return replace(course, recipe=replace(course.recipe, lr=rate, epochs=epochs))


def _lessons(subject: Subject, method: str, progress: bool) -> Lessons:
    """Images of every class and seed; a class without real pictures to spare has none of them."""
    every = classes(subject)
    if method == "real_templates":
        return bench.real(subject, every)
    if method != "noise":
        return bench.inverted(subject, every, progress=progress)
    count = subject.teaching.images_per_concept
    found: dict[tuple[str, int], Lesson] = {}
    for seed in subject.teaching.seeds:
        images = subject.model.noise(count * len(every), torch.Generator().manual_seed(FIRST_NOISE + seed))
        found |= {(one.name, seed): Lesson(own) for one, own in zip(every, images.split(count), strict=True)}
    return found


def _real(subject: Subject, seed: int, recipe: CaptioningSettings) -> Course | None:
    """Real pictures of validation scenes on which nothing is chosen, with what people wrote of them."""
    rest = to_learn_from(subject)
    wanted = subject.teaching.images_per_concept * len(classes(subject))
    if len(rest.images) < 2:
        return None
    order = torch.randperm(len(rest.images), generator=torch.Generator().manual_seed(seed))
    chosen = order[:wanted].tolist()
    pictures = torch.stack([square(rest.images[number], subject.model.image_size) for number in chosen])
    written = [list(rest.of(number)) for number in chosen]
    return Course(Lesson(pictures), [texts[0] for texts in written], (), seed, recipe, written)


def to_learn_from(subject: Subject) -> Gallery:
    """The validation images behind those that settings are chosen on."""
    here = subject.scale.captioning
    whole = sources.gallery(here.gallery, "validation")
    return whole.take(range(here.validation or 0, len(whole.images)))
