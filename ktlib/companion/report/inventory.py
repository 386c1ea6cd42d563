"""Datasets and checkpoints as pages for a reader: every fact of `data_manifests/`, in words and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ktlib.companion.report.markdown import joined, table
from ktlib.data import catalogue, manifests

DATA, CHECKPOINTS = "data.md", "checkpoints.md"
DATA_HEAD = """\
# The datasets

What each table asks for at paper scale; at pocket scale all of it is drawn, and nothing on this page is needed.
`data_manifests/datasets/` says the same to programs (Croissant 1.1). An access of *open* can be downloaded by anyone;
the others ask a person for a form, an account or an agreement. What nobody has verified is listed as such."""
CHECKPOINT_HEAD = """\
# The checkpoints

The published weights of both papers' systems, from `data_manifests/checkpoints.yaml`. None ships with the repository.
The small models of the drawn world do, each with a card: they stand below this page in the contents."""


def pages() -> dict[str, str]:
    """Both pages, by the names of their files."""
    return {DATA: data_page(), CHECKPOINTS: checkpoint_page()}


def data_page() -> str:
    """A table of all datasets, then a section on each."""
    found = [manifests.dataset(name) for name in manifests.datasets()]
    head = ["dataset", "access", "size", "licence", "items", "verified"]
    lines = [
        [
            f"[{one.name}](#{one.name})",
            one.access,
            _plain(one.size),
            _plain(one.licence),
            _count(one.n_official),
            _yes(one.verified),
        ]
        for one in found
    ]
    parts = [f"## {one.name}\n\n{_plain(one.description)}\n\n{_facts(one, ('name', 'description'))}" for one in found]
    return joined([DATA_HEAD, table(head, lines), *parts]) + "\n"


def checkpoint_page() -> str:
    """A table of all checkpoints, then a section on each."""
    found = manifests.checkpoints()
    head = ["checkpoint", "access", "library", "size", "used by", "verified"]
    lines = [
        [
            f"[{name}](#{_slug(name)})",
            one.access,
            one.library["name"],
            _plain(one.size),
            ", ".join(one.used_by),
            _yes(one.verified),
        ]
        for name, one in found.items()
    ]
    parts = [f"## {name}\n\n{_facts(one, ('name',))}" for name, one in found.items()]
    return joined([CHECKPOINT_HEAD, table(head, lines), *parts]) + "\n"


def _facts(one: manifests.Dataset | manifests.Checkpoint, without: Iterable[str]) -> str:
    shown = [field.name for field in fields(one) if field.name not in without]
    lines = [(catalogue.LABELS.get(name, name.replace("_", " ")), _said(name, _value(one, name))) for name in shown]
    return table(["", ""], [(label, said) for label, said in lines if said])


def _value(one: manifests.Dataset | manifests.Checkpoint, name: str) -> Any:
    """A fact, in words where it has some of its own."""
    value = getattr(one, name)
    if name == "access":
        return f"{value}: {manifests.ACCESS[value]}"
    if name == "sha256":
        return value or catalogue.UNPUBLISHED
    if name == "hub":
        return value and catalogue.revised(value)
    return [catalogue.revised(each) for each in value] if name == "also" else value


def _said(name: str, value: Any) -> str:
    """A value in a cell of a table; lists stand one below the other."""
    if value is None or value in ((), "", [], {}):
        return ""
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, manifests.Count):
        return f"{_count(value.n)} {value.of} ({value.basis}: {_plain(value.source)})"
    if isinstance(value, manifests.Part):
        return f"{value.what}: at least {_count(value.count)} of {', '.join(f'`{one}`' for one in value.any_of)}"
    if isinstance(value, Mapping):
        return "<br>".join(f"{_plain(str(key))}: {_said(name, each)}" for key, each in value.items())
    if isinstance(value, tuple | list):
        apart = ", " if all(isinstance(each, int | float) for each in value) or name == "used_by" else "<br>"
        return apart.join(_said(name, each) for each in value)
    if isinstance(value, int):
        return _count(value)
    return f"`{value}`" if name in ("layout", "where", "sha256", "library", "hub", "checksums") else _plain(str(value))


def _plain(text: str) -> str:
    """Text that Markdown is to leave as it is; an address is a link."""
    if text.startswith(("https://", "http://")) and " " not in text:
        return f"<{text}>"
    for mark in "\\`*_{}[]<>$#|":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\\|", "|")  # `table` sees to that


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}" if isinstance(number, int) else str(number)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _slug(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter in "-_")
