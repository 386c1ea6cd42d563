"""Turn results of the former columns into those of `Row`, and prove that no number changed.

`python scripts/migrate_rows.py results/pocket` rewrites the CSV files of a folder. Every former row becomes one
row: `concept` is `subject`, `setting` is `varied`, seed -1 is empty, `x minus y` is metric `x` over `y`, and the
gains of Zoom-shot are differences in `top1`. Values, bounds and digests stay as they were written. Each file is
read back and compared with the former one by key before it takes its place.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

from ktlib import store
from ktlib.companion.record import rows

FORMER = (
    "item", "scale", "dataset", "model", "concept", "method", "setting", "metric", "value", "low", "high", "n", "seed",
    "split", "settings", "weights",
)  # fmt: skip
SAME = ("item", "scale", "dataset", "model", "method", "value", "low", "high", "n", "split", "settings", "weights")


def migrated(line: dict[str, str]) -> dict[str, str]:
    """One former row in the columns of `Row`; the texts of its numbers stay."""
    metric, _, over = line["metric"].partition(" minus ")
    parts = line["setting"].split(";") if line["setting"] else []
    if metric == "gain":
        metric, over = "top1", parts.pop().removeprefix("over=")
    new = {column: line[column] for column in SAME}
    new |= {"subject": line["concept"], "varied": ";".join(parts), "metric": metric, "over": over}
    new["seed"] = "" if line["seed"] == "-1" else line["seed"]
    return {column: new[column] for column in rows.COLUMNS}


def former(line: dict[str, str]) -> dict[str, str]:
    """The way back: the former row of a new one."""
    metric, setting = line["metric"], line["varied"]
    if line["over"] and metric == "top1":
        metric, setting = "gain", ";".join(part for part in (setting, f"over={line['over']}") if part)
    elif line["over"]:
        metric = f"{metric} minus {line['over']}"
    old = {column: line[column] for column in SAME}
    old |= {"concept": line["subject"], "setting": setting, "metric": metric, "seed": line["seed"] or "-1"}
    return {column: old[column] for column in FORMER}


def lines_of(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The lines of a file, texts as they stand.

    Raises:
        ValueError: other columns.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != list(columns):
            raise ValueError(f"{path}: expected the columns {list(columns)}, found {reader.fieldnames}")
        return list(reader)


def migrate(path: Path) -> int:
    """Rewrite one file; the number of its rows.

    Raises:
        ValueError: a row that would not come back as it was.
    """
    old = lines_of(path, FORMER)
    item, scale = old[0]["item"], old[0]["scale"]
    new = [migrated(line) for line in old]
    temporary = path.with_suffix(".migrated")
    _write(temporary, new)
    read = rows._read_csv(temporary)
    _write(temporary, [new[i] for i in sorted(range(len(new)), key=lambda i: rows._place(read[i]))])
    back = [former(line) for line in lines_of(temporary, rows.COLUMNS)]
    if sorted(map(_text, back)) != sorted(map(_text, old)):
        raise ValueError(f"{path}: expected every row back as it was; nothing was changed")
    again = rows.write(read, seconds=0, command="", folder=path.parent / "again")
    if again.read_bytes() != temporary.read_bytes() or {(row.item, row.scale) for row in read} != {(item, scale)}:
        raise ValueError(f"{path}: expected the same bytes from `rows.write`; nothing was changed")
    for file in (again, again.with_suffix(".json")):
        file.unlink()
    again.parent.rmdir()
    temporary.replace(path)
    return len(new)


def _text(line: dict[str, str]) -> str:
    return store.key(line)


def _write(path: Path, lines: Iterable[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def main(folder: Path) -> None:
    """Migrate every file of a folder that still has the former columns."""
    count = 0
    for path in sorted(folder.glob("*.csv")):
        if path.open(encoding="utf-8").readline().strip() == ",".join(FORMER):
            count += migrate(path)
            print(f"{path}: migrated")
    print(f"{count} rows migrated, every one compared with its former one")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
