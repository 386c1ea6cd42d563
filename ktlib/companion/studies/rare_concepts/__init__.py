"""Rare concepts (notebooks 01 and 07): KT Tab. 1 and what surrounds it, and the recipe one knob at a time."""

from collections.abc import Mapping

NOTEBOOK = "01_rare_concepts"

VILT = "KT Tab. 1 ViLT"  # the ViLT rows of KT Tab. 1: other names, another baseline
READINGS = "Readings of the loss"  # not an item of the paper: what it leaves open

LAYOUTS: Mapping[str, str] = dict.fromkeys(
    [
        "KT Tab. 1", VILT, "KT Fig. 4", "KT Fig. 5", "KT v2 Tab. 2", "KT v2 Tab. 9", "KT v2 Tab. 10", "KT v2 Tab. 12",
        "KT v2 Fig. 5", READINGS,
    ],
    "transfer",
)  # fmt: skip
