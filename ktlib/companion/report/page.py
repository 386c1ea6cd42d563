"""`RESULTS.md`: did it reproduce? One line an item and claim, then the ledger, then how to read it all.

`python -m ktlib report` writes it from what is published, with a page an item beside the rows and the verdicts in the
README; a run writes its own (`write`). Nothing is measured here; fractions become percent here and nowhere else.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ktlib import places, store
from ktlib.companion.record import judging, published
from ktlib.companion.record.judging import NOT_RUN, Verdict
from ktlib.companion.report import ledger, shelf
from ktlib.companion.report.artifact import artifact_markdown
from ktlib.companion.report.items import MADE, MARK, item_pages, listed
from ktlib.companion.report.markdown import joined, link, table, unique
from ktlib.companion.report.shelf import ELSEWHERE, Shelf
from ktlib.companion.scales import scale as scale_of
from ktlib.companion.studies.zoom_shot.claims import MARGIN as GAIN
from ktlib.places import ROOT

Shelves = Mapping[str, Shelf]
SHOWN = ("pocket", "paper")  # rehearsal numbers are no results
LEDGER = "## The claims"
VERDICTS = re.compile(r"(<!-- verdicts -->\n).*?(<!-- /verdicts -->)", re.S)

HOW_TO_READ = """\
## How to read this

- **Paper scale** is the published checkpoints on the published data; only such numbers stand beside printed ones.
  **Pocket scale** is the same code with tiny models, trained by us, on a world that is drawn by code: it can say
  whether an effect is there under its controls, not how large it is for the published models. Rehearsal numbers
  (random weights) never appear.
- **Target accuracy**: pictures of the concept that are named right among all known classes and the concept.
  **Known classes kept** (retention): known pictures named right among the known classes alone.
- Tables are in percent, `mean [95 % interval]` over test concepts and seeds of inversion and transfer: t over the
  concepts' means, wide where they are few. Where the same seeds meet every concept, set or image (Zoom-shot,
  retrieval), both are random, crossed. A single measurement has Wilson's interval. Differences are in percentage
  points, correlations between -1 and 1.
- A larger learning rate is meant to teach more and to forget more. So methods are compared **at equal retention**: the
  target accuracy where retention has fallen by {budget:g} points, on straight lines between the rates, or at the last
  rate of a method that never forgets that much.
- **Controls**: `noise` (noise images, same caption), `wrong` (images of another concept, same caption), `real` (drawn
  or photographed pictures of the concept, meant as an upper bound), `prompt` (the description as class prompt,
  no training).
- **Captions** are compared on the same images; intervals come from draws of images and seeds (D54). Controls: `noise`,
  `templates` (the decoder alone reads the same prompts, without any image), `real_templates` (real pictures, same
  prompts: the positive control) and `real_captions` (real pictures with what people wrote of them).
- **Zoom-shot** has test sets where KT has concepts, from coarse to fine-grained; drawn counterparts at pocket scale (in
  brackets the set whose part one plays). Controls are the Linear Aligner put
  right (`_fixed`) and with its rate chosen (`_tuned`), its loss with Zoom-shot's optimiser (`mse_adam`), and least
  squares in closed form. A gain below {gain:g} point is none.
- Rates are chosen on validation concepts, verdicts come from test concepts. A claim *does not hold* when the 95 %
  interval of its paired difference lies below 0 or wholly below {margin:g} points, *holds* when it otherwise lies
  above 0, and is *inconclusive* if neither, or with fewer than {least} concepts. Of several differences all must hold
  at 95 %; one of m that does not must fail at 1 - 0.05 / m. Claims that two things are equal have margins of their own;
  the ledger names them.
- A claim is *not testable here* where its positive control does not work, ten real pictures of each concept as a rule:
  what they do not teach, inverted ones need not teach either. The ledger says what the control gains.
- {mark} marks a printed number that looks inconsistent; the note stands under its table."""


# -- the page -----------------------------------------------------------------------------------------
def results_markdown(shelves: Shelves, at: Path) -> str:
    """The whole of `RESULTS.md`, a function of what was measured and of what the papers print.

    Args:
        shelves: what was measured, by scale.
        at: the folder that the page is for; links start there.
    """
    how = HOW_TO_READ.format(
        budget=100 * scale_of("pocket").budget,
        margin=100 * judging.MARGIN,
        gain=100 * GAIN,
        mark=MARK,
        least=judging.CONCEPTS,
    )
    return joined([MADE, "# Results", first_screen(shelves, at), _ledger(shelves), how, _pages(shelves, at)]) + "\n"


def first_screen(shelves: Shelves, at: Path) -> str:
    """What became of every item of both papers: its claims, their verdicts, what decides, and the notebook."""
    lines = [line for items in _grouped() for line in _answer(items, shelves, at)]
    lines += [_line(f"{c.paper} {c.where}", c.id, shelves, at) for c in published.claims().values() if not _home(c.id)]
    heads = ["item", "paper scale", "pocket", "what decides, and its 95 % interval (pocket)", "notebook"]
    return joined([summary(shelves), table(heads, lines), "What the claims (K, Z) say stands in the ledger below."])


def summary(shelves: Shelves) -> str:
    """How many claims hold, in one sentence a scale."""
    said = []
    for name in SHOWN:
        counts = Counter(verdict.verdict for verdict in shelves[name].verdicts.values())
        total, tested = sum(counts.values()), sum(counts.values()) - counts[NOT_RUN]
        kinds = judging.TESTED
        found = ", ".join(f"**{counts[kind]}** {_many(kind, counts[kind])}" for kind in kinds)
        rest = f"{counts[NOT_RUN]} have not been tested"
        none = f"At {name} scale nothing has been run: {ledger.NO_WEIGHTS}."
        said.append(f"At {name} scale, of {total} claims {found}; {rest}." if tested else none)
    return " ".join(said)


def _many(verdict: str, count: int) -> str:
    """A verdict as it follows a number: `hold`, `is inconclusive`."""
    plural = {judging.HOLDS: "hold", judging.FAILS: "do not hold"}
    if verdict in plural:
        return verdict if count == 1 else plural[verdict]
    return f"{'is' if count == 1 else 'are'} {verdict}"


def _home(claim: str) -> str:
    """The item beside which a claim is answered; empty for a claim that names none."""
    return next(iter(judging.items_of(claim)), "")


def _resting(item: str) -> list[str]:
    return [claim.id for claim in published.claims().values() if item in published.items_of(claim)]


def _grouped() -> list[list[str]]:
    """All items; those on which the same claims rest, or none and no notebook either, share their lines."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for item in published.items():
        claims, notebook = _resting(item), published.notebook(item)
        alone = item in ELSEWHERE or (not claims and notebook) or not any(_home(c) in published.items() for c in claims)
        apart = item if alone and (claims or notebook or item in ELSEWHERE) else ""
        groups.setdefault((item.rsplit(" ", 1)[0], notebook, tuple(claims), apart), []).append(item)
    return list(groups.values())


def _answer(items: Sequence[str], shelves: Shelves, at: Path) -> list[list[str]]:
    """The lines of items that share their claims."""
    names = [listed(shelves, item, at, item if n == 0 else item.split()[-1]) for n, item in enumerate(items)]
    parts = [part for part, whole in published.PART_OF.items() if whole in items]
    name = ", ".join([*names, *(listed(shelves, part, at, part.split()[-1]) for part in parts)])
    claims = _resting(items[0])
    here = [claim for claim in claims if _home(claim) in items]
    lines = [_line(name if n == 0 else "", claim, shelves, at) for n, claim in enumerate(here)]
    if lines:
        return lines
    notebook = published.notebook(items[0])
    said = [_drawn(item, shelves, at) for item in items]
    elsewhere = [ELSEWHERE[item] for item in items if item in ELSEWHERE]
    said += [f"{text}: {link(where, ROOT / where, at)}" for text, where in elsewhere]
    said += [f"see {', '.join(f'[{claim}](#{claim.lower()})' for claim in claims)}"] if claims else []
    state = "; ".join(part for part in said if part) or ("no claim rests on it" if notebook else "no notebook yet")
    paper = "measured" if any(item in shelves["paper"].items for item in items) else NOT_RUN
    return [[name, paper, state, "", _notebook(notebook, at)]]


def _line(item: str, claim: str, shelves: Shelves, at: Path) -> list[str]:
    paper, pocket = (shelves[name].verdicts[claim] for name in ("paper", "pocket"))
    decides = pocket.deciding or ("" if pocket.verdict != NOT_RUN else pocket.comparison)
    said = f"[{claim}](#{claim.lower()}) {_short(pocket)}"
    return [item, _short(paper), said, decides, _notebook(ledger.notebook(claim), at)]


def _short(verdict: Verdict) -> str:
    return verdict.verdict if verdict.verdict == NOT_RUN else f"**{verdict.verdict}**"


def _drawn(item: str, shelves: Shelves, at: Path) -> str:
    figure, source = shelves["pocket"].figure(item), published.FROM.get(item)
    if not figure or not item.rsplit(" ", 1)[0].endswith("Fig."):
        return ""
    how = "another picture in its place" if item in published.IN_PLACE else "drawn"
    return link(how, figure, at) + (f" from the rows of {listed(shelves, source, at)}" if source else "")


def _notebook(name: str | None, at: Path) -> str:
    return link(name[:2], ROOT / "notebooks" / f"{name}.ipynb", at) if name else ""


def _ledger(shelves: Shelves) -> str:
    """Every claim in words, with its verdict and comparison; a scale at which nothing was run has no column."""
    run = [name for name in SHOWN if any(v.verdict != NOT_RUN for v in shelves[name].verdicts.values())]
    lines = []
    for claim in published.claims().values():
        verdicts = [shelves[name].verdicts[claim.id] for name in run]
        texts = unique(verdict.comparison for verdict in verdicts)
        said = texts if len(run) < 2 else [f"{v.scale}: {v.comparison}" for v in verdicts if v.comparison]
        name = f'<a id="{claim.id.lower()}"></a>{claim.id}'
        lines.append([name, claim.claim, *map(_short, verdicts), " ".join(said)])
    return joined([LEDGER, table(["", "claim", *run, "what was compared, and what came out"], lines)])


def _pages(shelves: Shelves, at: Path) -> str:
    """Where the tables are: a page an item."""
    lines = []
    for name in SHOWN:
        own = {name: shelves[name]}
        by_notebook = itertools.groupby(sorted(own[name].items, key=_place), key=published.notebook)
        for notebook, items in by_notebook:
            lines.append([name, _notebook(notebook, at), ", ".join(listed(own, item, at) for item in items)])
    return joined(["## The tables, one page an item", table(["scale", "notebook", "items"], lines)])


def _place(item: str) -> tuple[str, int, str]:
    known = published.items()
    whole = published.PART_OF.get(item, item)
    return published.notebook(item) or "", known.index(whole) if whole in known else len(known), item


# -- the README ---------------------------------------------------------------------------------------
def verdicts_markdown(shelves: Shelves) -> str:
    """What the README says of results: how many claims hold, which, and the first claim of each paper in words."""
    found = shelves["pocket"].verdicts
    kinds = (*judging.TESTED, NOT_RUN)
    named = [(kind, [claim for claim, verdict in found.items() if verdict.verdict == kind]) for kind in kinds]
    listing = "\n".join(f"- *{kind}*: {', '.join(claims)}" for kind, claims in named if claims)
    firsts = {claim.paper: claim for claim in reversed(published.claims().values())}
    lines = [
        [claim.id, claim.claim, _short(found[claim.id]), found[claim.id].deciding]
        for claim in reversed(firsts.values())
    ]
    first = table(["", "the first claim of each paper", "pocket", "what decides, and its 95 % interval"], lines)
    return joined([summary(shelves), listing, first])


def with_verdicts(text: str, shelves: Shelves) -> str:
    """A text with the part between `<!-- verdicts -->` and `<!-- /verdicts -->` written anew.

    Raises:
        ValueError: the marks are not there, or not once.
    """
    if len(VERDICTS.findall(text)) != 1:
        raise ValueError("expected <!-- verdicts --> and <!-- /verdicts --> once, each on a line of its own")
    block = verdicts_markdown(shelves)
    return VERDICTS.sub(lambda found: f"{found[1]}{block}\n{found[2]}", text)


# -- files --------------------------------------------------------------------------------------------
def write(scale: str) -> Path:
    """Write `RESULTS.md` of a run, and a page an item beside its rows; returns where it is.

    What the run did not measure is shown as it is published.

    Args:
        scale: of the run; a rehearsal writes no page of an item.
    """
    shelves = {name: shelf.produced(name) if name == scale else shelf.committed(name) for name in SHOWN}
    path = places.output(scale) / "RESULTS.md"
    _save(path, results_markdown(shelves, path.parent))
    for target, text in item_pages(shelves[scale], path).items() if scale in shelves else ():
        _save(target, text)
    return path


def opening(path: Path) -> str:
    """What stands above the ledger in a `RESULTS.md`: every item and claim in one screen."""
    return path.read_text(encoding="utf-8").split("# Results\n\n")[1].split(LEDGER)[0]


def publish(root: Path = ROOT) -> list[Path]:
    """Write all that is made from the published rows: `RESULTS.md`, its pages, `ARTIFACT.md`, the README's verdicts.

    Args:
        root: of the repository.

    Returns:
        What was written; pages of items that are no longer measured are deleted.
    """
    shelves = {name: shelf.committed(name, root) for name in SHOWN}
    path, readme = root / "RESULTS.md", root / "README.md"
    texts = {path: results_markdown(shelves, root), root / "ARTIFACT.md": artifact_markdown(shelves, root)}
    for own in shelves.values():
        texts |= item_pages(own, path)
        for old in own.results[0].glob("*.md"):
            if old not in texts:
                old.unlink()
    if readme.exists():
        texts[readme] = with_verdicts(readme.read_text(encoding="utf-8"), shelves)
    for target, text in texts.items():
        _save(target, text)
    return list(texts)


def _save(path: Path, text: str) -> None:
    store.write_text(path, text)


def main() -> None:
    """Write what is made from the published rows, and say what."""
    paths = publish()
    print(f"wrote {', '.join(path.name for path in paths if path.parent == ROOT)} and {len(paths) - 3} pages of items")


if __name__ == "__main__":
    main()
