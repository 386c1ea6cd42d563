"""Whether the instrument works: the gates on the cards of the models that are taught."""

from __future__ import annotations

from ktlib.companion.studies.subjects import Subject
from ktlib.models import checkpoints
from ktlib.pocket.training import clip
from ktlib.pocket.training.gates import Gate, gates

OURS = "pocket/"  # how the names of models begin that have a card


def measured(subject: Subject) -> list[Gate]:
    """The gates of a model over its folds, from its cards; none where it has no card."""
    names = [fold.model.name for fold in subject.folds]
    if not all(name.startswith(OURS) for name in names):
        return []
    cards = [checkpoints.card(name.removeprefix(OURS)) for name in names]
    return gates([clip.measured(card) for card in cards], [clip.taught(card) for card in cards])


def conditions(*subjects: Subject) -> str:
    """The gates of some models as a Markdown table; a sentence where there are none."""
    found = {subject.name: measured(subject) for subject in subjects}
    if not any(found.values()):
        return "These models have no such cards: their positive control stands beside each verdict alone."
    lines = ["| model | condition, on validation concepts | found | |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {gate.what} | {gate.found:.3f} | {'holds' if gate.holds else '**does not hold**'} |"
        for name, own in found.items()
        for gate in own
    ]
    return "\n".join(lines)
