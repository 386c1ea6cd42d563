"""CoCa and MSCOCO (notebook 05): KT Tab. 6, 9 and 10, and what the templates alone explain of them."""

from collections.abc import Iterable, Mapping

NOTEBOOK = "05_coco_captioning"
TABLE_6, TABLE_9, TABLE_10 = "KT Tab. 6", "KT Tab. 9", "KT Tab. 10"
DECIDES = ("meteor", "cider")  # the first that is measured: chooses rate and passes, and judges (D53, D56)
PRINTED = ("bleu4", "meteor", "cider", "spice")  # the metrics of KT Tab. 6 and 9
RATES, SHARE = "rates of captioning", "share of the templates"  # no items of the papers: choices and a question of ours

LAYOUTS: Mapping[str, str] = {
    TABLE_6: "captions", TABLE_9: "captions", TABLE_10: "samples", RATES: "captions", SHARE: "shares",
}  # fmt: skip


def decides(measured: Iterable[str]) -> str:
    """The metric that chooses and judges, of those that were measured.

    Raises:
        ValueError: neither was.
    """
    there = [metric for metric in DECIDES if metric in set(measured)]
    if not there:
        raise ValueError(f"expected {' or '.join(DECIDES)} among what was measured, found neither")
    return there[0]
