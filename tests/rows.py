"""Rows with any numbers one likes, for tests of what is made of rows."""

from ktlib.companion.record.rows import Row, parsed


def row(**changed):
    """A row of KT Tab. 1; `varied` as text or mapping, low and high as the value unless they are given."""
    given = {
        "item": "KT Tab. 1", "scale": "pocket", "dataset": "d", "model": "m", "subject": "moongate", "method": "kt",
        "varied": "", "metric": "target_accuracy", "over": "", "value": 0.5, "n": 50, "seed": 0, "split": "test",
        "settings": "s", "weights": "w",
    } | changed  # fmt: skip
    if isinstance(given["varied"], str):
        given["varied"] = parsed(given["varied"])
    return Row(**({"low": given["value"], "high": given["value"]} | given))
