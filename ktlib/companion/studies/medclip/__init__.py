"""MedCLIP and films of the chest (notebook 02): KT Tab. 2 and 3, and what every single nodule gains."""

from collections.abc import Mapping

NOTEBOOK = "02_medclip"
TABLE_2, TABLE_3 = "KT Tab. 2", "KT Tab. 3"
NODULES = "every nodule"  # no item of the paper: a concept each, where the paper has one for all of a kind
LISTS = "class lists of nodules"  # nor this: what Tab. 2 leaves open

LAYOUTS: Mapping[str, str] = {
    TABLE_2: "kinds", TABLE_3: "classes", NODULES: "transfer", LISTS: "kinds",
}  # fmt: skip
