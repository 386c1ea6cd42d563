"""The page of an item: our paper-scale means beside the printed numbers."""

from ktlib.companion.record import published
from ktlib.companion.report import items
from tests.rows import row


def test_a_printed_average_over_models_has_the_mean_of_the_models_means_beside_it():
    given = {"item": "KT v2 Tab. 10", "scale": "paper", "varied": "lr=2e-05;description=short"}
    rows = [
        row(**given, model=model, subject=concept, seed=seed, value=value)
        for model, value in (("openai/ViT-B-32", 0.4), ("openai/ViT-L-14", 0.8))
        for concept in ("moongate", "tonometer", "gyroscope")
        for seed in (0, 1)
    ]
    averages = [n for n in published.numbers("KT v2 Tab. 10") if n.model == "Average" and n.other == "prompt=P1"]
    assert items._ours(averages, rows) == "Average accuracy lr=2e-05, description=short 60.0 [60.0, 60.0]"
    assert items._ours(averages, rows[:6]) == items.NOT_RUN  # of one model it is no average
