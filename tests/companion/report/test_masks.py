"""The tables of masks: a lesion at a time, the published form of NSD labelled."""

from ktlib.companion.report.masks import checks, masks
from tests.rows import row


def test_each_lesion_has_its_scores_and_its_paired_changes():
    rows = [
        row(
            item="KT Tab. 4", subject=lesion, method=method, metric=metric, value=value, seed=None,
            varied="lr=0.001" if method == "kt" else "",
        )
        for lesion in ("lung nodules", "brain tumor")
        for method, value in (("kt", 0.5), ("base", 0.25))
        for metric in ("dsc", "nsd_slab")
    ]  # fmt: skip
    rows.append(row(item="KT Tab. 4", subject="brain tumor", method="kt", metric="dsc", over="base", varied="lr=0.001",
                    value=0.1, low=0.05, high=0.2, seed=None))  # fmt: skip
    text = masks(rows, rows)
    nodules, brain = text.split("### Brain tumor")
    assert nodules.startswith("### Lung nodules") and "Paired changes" not in nodules
    assert "NSD (slab, as published)" in text and "IoU" not in text, "what was not measured has no column"
    lines = [line for line in brain.splitlines() if line.startswith(("| base", "| kt", "| m "))]
    assert lines[0].startswith("| base |  | 25.0") and lines[1].startswith("| kt | 0.001 | 50.0"), "the untouched first"
    assert lines[2] == "| m | kt | 0.001 | base | +10.0 [+5.0, +20.0] |"


def test_means_over_seeds_stand_without_an_interval():
    rows = [
        row(subject="s", method="kt", metric="dsc", value=v, seed=n, varied="lr=1") for n, v in enumerate((0.2, 0.4))
    ]
    assert "| 30.0 |" in masks(rows, rows)


def test_likenesses_stand_beside_what_the_maps_point_at():
    rows = [row(subject="disk", method="m2ib", metric="likeness", varied={"to": to}, value=v, n=8)
            for to, v in (("again", 0.9), ("weights", 0.1))]  # fmt: skip
    rows.append(row(subject="disk", method="m2ib", metric="dsc", value=0.5))
    (line,) = [line for line in checks(rows, rows).splitlines() if line.startswith("| disk")]
    assert line == "| disk | m2ib | 0.900 [0.900, 0.900] | 0.100 [0.100, 0.100] | 50.0 [50.0, 50.0] |"
