"""Tables of films: a line a rate, a column a kind or a finding, changes below."""

from ktlib.companion.report import films
from tests.rows import row


def cells(text, *starts):
    found = [x for x in text.splitlines() if x.startswith("| " + " | ".join(starts) + " |")]
    assert len(found) == 1, (starts, found, text)
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def two_kinds():
    rows = []
    for subject in ("nodule", "cancer"):
        own = {"item": "KT Tab. 2", "subject": subject}
        for metric, value in (("target_accuracy", 0.5), ("retention", 0.9)):
            rows.append(row(**own, method="base", metric=metric, value=value, seed=None, low=0.4, high=0.95))
            for rate in ("0.001", "2e-05"):
                rows.append(row(**own, metric=metric, value=value + 0.1, varied=f"lr={rate}"))
            rows.append(
                row(**own, metric=metric, over="base", value=0.1, low=-0.1, high=0.2, varied="lr=0.001", seed=None)
            )
    return rows


def test_a_line_a_rate_with_both_kinds_beside_what_is_kept():
    text = films.kinds(two_kinds(), ())
    head = next(line for line in text.splitlines() if line.startswith("| method"))
    assert [c.strip() for c in head.strip("|").split("|")] == [
        "method", "lr", "nodule, accuracy", "nodule, findings kept", "cancer, accuracy", "cancer, findings kept",
    ]  # fmt: skip
    values = text.split("### Paired changes")[0]
    assert cells(values, "base", "")[2] == "50.0 [40.0, 95.0]"
    assert [line.split("|")[2].strip() for line in values.splitlines() if line.startswith("| kt")] == ["2e-05", "0.001"]
    assert "+10.0 [-10.0, +20.0]" in text.split("### Paired changes")[1]
    assert "Films: 50 nodule, 50 cancer; 1 trial with" in text


def test_findings_have_recalls_and_how_often_each_is_named():
    rows = []
    for seed, value in enumerate((0.2, 0.4)):
        own = {"item": "KT Tab. 3", "method": "kt", "seed": seed, "varied": "lr=0.001"}
        rows += [row(**own, subject=f, metric="target_accuracy", value=value, n=40) for f in ("edema", "effusion")]
        rows += [row(**own, subject=f, metric="named", value=0.5, n=80) for f in ("edema", "effusion")]
        rows.append(row(**own, subject="", metric="top1", value=value, n=80))
    text = films.classes(rows, ())
    recalls, named = text.split("### How often each is named")
    assert "| edema | effusion | top-1 |" in recalls and "| 30.0 | 30.0 | 30.0 |" in recalls
    assert "right on 50 % by giving them all one name" in named and "| 50.0 | 50.0 |" in named
    assert "Paired" not in text
    assert "Films: 40 edema, 40 effusion, 80 in all; 2 trials" in text
