"""Run the notebooks at a scale: what `./run_all.sh` calls.

A run reproduces and overwrites nothing that is published: for `NN_slug` at a scale, `runs/<scale>/` holds
`NN_slug.ipynb` (the last good run), `.log`, `.json` (the record by which an unchanged notebook is skipped) and,
after a failure, `NN_slug.failed.ipynb`; what the notebooks write lies in its `results/` and `figures/`, and
`certificate.md` compares that with the committed results. `--record` puts it in their place.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ktlib import places, store
from ktlib.companion import asked, cells, doctor, outputs, progress
from ktlib.companion.asked import RunError, discover
from ktlib.companion.execution import NotebookError, Outcome, Terminated, Watch, attempt
from ktlib.companion.outputs import Run
from ktlib.companion.record import certificate, notebooks, provenance, rounding, rows
from ktlib.companion.record.judging import NOT_RUN, TESTED
from ktlib.companion.record.kernels import Kernels, choose
from ktlib.companion.record.notebooks import SCALES, Notebook, overlaps
from ktlib.companion.report import ledger, page, site
from ktlib.companion.scales import scale as scale_of

VERDICTS = (*TESTED, NOT_RUN)


def check_inputs(scale: str, chosen: Sequence[Notebook]) -> None:
    """Refuse to start while datasets or checkpoints are missing, naming all of them at once; say what is left out.

    Raises:
        RunError: something is missing, or a notebook does not say what it needs.
    """
    if scale != "paper":
        return  # the others draw or generate all they need
    if silent := [notebook.stem for notebook in chosen if notebook.needs is None]:
        raise RunError(f"expected `needs` in the `kt` metadata of {', '.join(silent)}; write down what it needs")
    lacks = {notebook.stem: doctor.gaps(notebook) for notebook in chosen}
    found = [(notebook.stem, doctor.blocking(notebook, lacks[notebook.stem])) for notebook in chosen]
    if absent := dict.fromkeys(gap.name for _, gaps in found for gap in gaps):
        raise RunError(
            f"nothing was run: {len(absent)} thing(s) missing at scale {scale}\n\n{doctor.lacking(found)}\n\n"
            f"They belong into {places.data()}, or where KT_DATA says, or into the caches. `python -m ktlib data show "
            "NAME` has the steps and the layout, `data check NAME` looks at what is there, `python -m ktlib doctor` "
            "at this machine; --only NN runs one notebook."
        )
    for stem, gaps in lacks.items():  # nothing blocks, so these are optional
        for gap in gaps:
            print(f"{stem}: leaves out {gap.name}, of which nothing is there; {doctor.way(gap)}", flush=True)


def run(
    only: Sequence[str] | None,
    *,
    scale: str,
    seed: int,
    force: bool,
    root: Path,
    folder: Path | None = None,
    whole: bool = False,
    kernels: Kernels | None = None,
    hold: contextlib.ExitStack | None = None,
) -> list[Outcome]:
    """Run notebooks in order, skipping the unchanged ones and those that need what a failed one writes.

    Args:
        only: number prefixes (`01`) or stems; None or empty means all that support the scale.
        scale: `pocket`, `rehearsal` or `paper`; passed to each notebook.
        seed: passed to each notebook.
        force: run even what is unchanged.
        root: the repository root, and the working directory of every kernel.
        folder: of the run; by default `runs/<scale>` in the root.
        kernels: by default those of the scale, or what `KT_KERNELS` says.
        whole: what is unchanged must also have been computed from committed code, so that it may be published.
        hold: keeps the folder of the run beyond this call; by default others may have it when it returns.

    Returns:
        One outcome a notebook, in order.

    Raises:
        RunError: a name fits no notebook, a named one does not support the scale, two declare one output, or inputs
            are missing.
        ValueError: another run is in the folder, or nothing can be written there.
        KeyboardInterrupt: on Ctrl-C, and `Terminated` on SIGTERM; the kernel is shut down first.

    Source:
        ours
    """
    if scale not in SCALES:
        raise RunError(f"expected a scale out of {', '.join(SCALES)}, got {scale!r}")
    root = root.resolve()
    kernels = kernels or choose(scale_of(scale).kernels)
    this = Run(root, (folder or outputs.home(root, scale)).resolve(), scale, seed, kernels)
    everything = [notebooks.read(path) for path in notebooks.find(root)]
    stems = [path.stem for path in discover(root, only)]
    if twice := outputs.claimed_twice(everything):
        raise RunError(
            f"expected one notebook for each output, found two for {', '.join(twice)}; move a copy elsewhere"
        )
    chosen = [notebook for notebook in everything if notebook.stem in stems]
    unsupported = [notebook.stem for notebook in chosen if scale not in notebook.scales]
    if only and unsupported:
        raise RunError(f"not made for the scale {scale}: {', '.join(unsupported)}")
    check_inputs(scale, [notebook for notebook in chosen if notebook.stem not in unsupported])
    with contextlib.ExitStack() as own:
        (hold or own).enter_context(outputs.held(this))
        return _run(this, everything, chosen, unsupported, force=force, whole=whole)


def _run(
    this: Run,
    everything: Sequence[Notebook],
    chosen: Sequence[Notebook],
    unsupported: Sequence[str],
    *,
    force: bool,
    whole: bool,
) -> list[Outcome]:
    """Run what was chosen, in a folder that is ours."""
    stems = [notebook.stem for notebook in chosen]
    shown = progress.Progress(_times(this, stems), len(chosen))
    ahead = {one.stem for one in chosen if force or not outputs.is_unchanged(one, outputs.digest(one, this), this)}
    outcomes: list[Outcome] = []
    spoiled: dict[str, str] = {}  # what a failed notebook would have written -> that notebook
    for number, notebook in enumerate(chosen, start=1):
        needs = sorted({spoiled[w] for w in spoiled for r in notebook.reads if overlaps(r, w)})
        head = f"[{number}/{len(chosen)}] {notebook.stem}"
        if notebook.stem in unsupported:
            outcomes.append(Outcome(notebook.stem, "not run", reason=f"not made for the scale {this.scale}"))
            shown.say(f"{head}: not made for the scale {this.scale}")
            continue
        if needs:
            outcomes.append(Outcome(notebook.stem, "not run", reason=f"needs {', '.join(needs)}"))
            shown.say(f"{head}: not run, for it needs {', '.join(needs)}")
        else:
            facts = {"taken": _borrow(notebook, this, everything, shown)}
            key = outputs.digest(notebook, this)
            sound = not (whole and this.record(notebook.stem).get("commit", "+").endswith("+"))
            if not force and sound and outputs.is_unchanged(notebook, key, this):
                outcomes.append(Outcome(notebook.stem, "unchanged"))
                shown.say(f"{head}: unchanged since its last good run")
            else:
                shown.starts(number, notebook.stem, [stem for stem in stems[number:] if stem in ahead])
                watch = Watch(notebook.stem, shown.cell)
                try:
                    outcomes.append(attempt(notebook, this, key, facts, watch, shown.say))
                finally:
                    shown.stops()
                shown.say(f"{head}: {outcomes[-1].status} in {outcomes[-1].seconds:.0f} s")
        if outcomes[-1].status in ("failed", "not run"):
            spoiled |= dict.fromkeys([*notebook.writes, *notebook.sometimes], notebook.stem)
    return outcomes


def _times(this: Run, stems: Sequence[str]) -> dict[str, progress.Times]:
    """How long notebooks took before: in this folder, else where the committed results come from."""
    committed = this.committed(f"results/{outputs.TIMES}")
    found = {stem: progress.earlier(stem, [this.folder / f"{stem}.json", committed]) for stem in stems}
    return {stem: times for stem, times in found.items() if times}


def _borrow(notebook: Notebook, this: Run, everything: Sequence[Notebook], shown: progress.Progress) -> dict[str, str]:
    """Take from the committed results what a notebook reads and nobody has computed here, and say so."""
    found = outputs.borrow(notebook, this, outputs.computed(this, everything))
    for names, what in (
        (list(found.taken), "taken from the repository, not computed here"),
        (list(found.left), "of a notebook that did not run to its end, or of an older one"),
    ):
        if names:
            shown.say(f"{certificate.listed(outputs.items(names, this.folder))}: {what}")
    if found.lacking:
        shown.say(f"{certificate.listed(found.lacking)}: {notebook.stem} reads it; neither here nor in the repository")
    return dict(found.taken)


# -- what stands at the end ---------------------------------------------------------------------------
def table(outcomes: Sequence[Outcome]) -> str:
    """Return the summary: one line a notebook."""
    width = max(len(outcome.notebook) for outcome in outcomes)
    lines = [f"{'notebook':{width}}  {'status':9}  {'seconds':>8}  {'peak MiB':>8}"]
    for o in outcomes:
        peak = "" if o.peak_mib is None else f"{o.peak_mib:.0f}"
        seconds = f"{o.seconds:.1f}" if o.seconds else ""
        reason = f"  ({o.reason})" if o.reason else ""
        lines.append(f"{o.notebook:{width}}  {o.status:9}  {seconds:>8}  {peak:>8}{reason}".rstrip())
    return "\n".join(lines)


def computed(this: Run) -> list[rows.Row]:
    """The rows that this run has computed; none that it borrowed."""
    everything = [notebooks.read(path) for path in notebooks.find(this.root)]
    own = [name for name in outputs.computed(this, everything) if name.endswith(".csv")]
    return [row for name in own for row in rows.read(this.scale, Path(name).stem, folder=this.folder / "results")]


def certify(this: Run) -> certificate.Certificate | None:
    """Compare what the run has computed with what is committed, write the certificate and return it.

    Claims that rest on rows which were not computed here are judged on the published ones.

    Returns:
        None where nothing that was computed is committed.
    """
    folder, home = this.folder / "results", this.committed("results/")
    found = computed(this)
    items = {row.item for row in found}
    committed = rows.read(this.scale, folder=home)
    before = [row for row in committed if row.item in items]
    if not before:
        return None
    rest = [row for row in committed if row.item not in items]
    compared = tuple(certificate.compare(before, found))
    again = rounding.read(home)
    old = ledger.verdicts(committed, this.scale, again)
    new = old if all(item.same for item in compared) else ledger.verdicts([*found, *rest], this.scale, again)
    made = {"published": certificate.made(home, sorted({row.item for row in before}))}
    made |= {"here": certificate.made(folder, sorted(items))}
    result = certificate.Certificate(
        this.scale,
        compared,
        {was.claim: (was.verdict, now.verdict) for was, now in zip(old, new, strict=True)},
        made,
        tuple(sorted({row.item for row in rest})),
        certificate.expectation(certificate.records(home, items), certificate.records(folder, items)),
    )
    pages = {"certificate.json": result.json(), "certificate.md": result.markdown()}
    for name, text in pages.items():
        store.write_text(this.folder / name, text)
    return result


def ending(this: Run, outcomes: Sequence[Outcome]) -> str:
    """What stands under the progress: the table, the verdicts, where everything is, and the certificate."""
    made = certify(this)
    verdicts = [after for _, after in made.verdicts.values()] if made else []
    if not made and scale_of(this.scale).is_result:  # the first run at a scale: nothing is published yet
        own = computed(this)
        verdicts = [one.verdict for one in ledger.verdicts(own, this.scale)] if own else []
    lines = [table(outcomes), ""]
    if verdicts:
        counts = Counter(verdicts)
        lines.append("claims: " + ", ".join(f"{verdict} {counts[verdict]}" for verdict in VERDICTS))
    folder = this.folder.relative_to(this.root) if this.folder.is_relative_to(this.root) else this.folder
    executed = [f"{one.notebook}.ipynb" for one in outcomes if one.status in ("ran", "unchanged")]
    partial = len(outcomes) < len(notebooks.find(this.root))
    places = {"results": ["RESULTS.md"], "figures": ["figures"], "executed notebooks": ["*.ipynb"]}
    places |= {"executed notebooks": executed} if partial else {}
    for what, names in places.items():
        if there := [str(folder / name) for name in names if any(this.folder.glob(name))]:
            lines.append(f"{what}: {', '.join(there)}")
    if partial and executed:
        lines.append(
            f"open next: {folder / executed[0]}, in an editor that shows notebooks or with --html as a page; "
            "./explore.sh opens copies of all notebooks, to run and change"
        )
    if made:
        lines += ["", made.text(), f"  all of it: {folder / 'certificate.md'}"]
    elif scale_of(this.scale).is_result:
        lines += ["", "no certificate: nothing was computed here that is published"]
    return "\n".join(lines).rstrip()


# -- the command --------------------------------------------------------------------------------------
def check_recording(args: argparse.Namespace) -> None:
    """Refuse to publish what could not be computed again, before half an hour is spent on it.

    The code must be that of a commit: published rows name one, and a number that its commit does not give is of no
    use to anybody. Results themselves are no code, so two scales can be recorded one after the other.

    Raises:
        RunError: not a whole run, not a result, or code that differs from the commit.
    """
    if not scale_of(args.scale).is_result:
        raise RunError(f"expected a scale whose numbers are results, got {args.scale}: nothing of it is published")
    if args.only or args.seed:
        raise RunError(
            "expected a whole run with seed 0, for published results are of one; leave out --only and --seed"
        )
    if provenance.commit(args.root) == "unknown":
        raise RunError(f"expected a git repository with a commit, for published rows name one; {args.root} is none")
    if changed := provenance.altered(args.root):
        raise RunError(
            "expected the code of a commit, for published rows name one; commit or set aside first: "
            + certificate.listed(changed)
        )


def publish(this: Run, outcomes: Sequence[Outcome], began: str) -> None:
    """Put a whole, good run in the place of the committed results, and write the pages anew.

    Args:
        this: the run.
        outcomes: of all notebooks.
        began: the commit that it started from.

    Raises:
        RunError: a notebook failed or was not run, or the code was edited meanwhile.
    """
    if not provenance.same_code(began, this.root):
        raise RunError(f"nothing was recorded: expected the code of commit {began} to the end, but it was edited")
    if bad := [one.notebook for one in outcomes if one.status == "failed" or one.reason.startswith("needs ")]:
        raise RunError(f"nothing was recorded: expected a whole, good run, but {', '.join(bad)} did not run to the end")
    names = outputs.publish(this, [notebooks.read(path) for path in notebooks.find(this.root)])
    print(f"recorded {len(names)} files in results/{this.scale} and figures/{this.scale}; look at `git diff --stat`")
    if this.root == places.ROOT:
        page.main()


def terminate(_number: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that the kernel is shut down and the half-run copy kept."""
    raise Terminated


def main(argv: Sequence[str] | None = None) -> int:
    """Run notebooks from the command line.

    Returns:
        0 if all is well, 1 if a notebook failed or could not run for it, 2 if nothing could be started,
        130 after Ctrl-C, 143 after SIGTERM.
    """
    args = asked.arguments(argv)
    signal.signal(signal.SIGTERM, terminate)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # until here Ctrl-C ended the process without a word
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.ExitStack() as hold:
        return _command(args, hold)


def _command(args: argparse.Namespace, hold: contextlib.ExitStack) -> int:
    """What `main` does once it knows what is asked for; the folder of the run stays ours until all is written."""
    folder = outputs.home(args.root, args.scale)
    try:
        kernels = choose(scale_of(args.scale).kernels, args.kernels, args.threads)
        this = Run(args.root, folder, args.scale, args.seed, kernels)
        if said := cells.use(args.dask):
            print(said, flush=True)
        began = provenance.commit(args.root)
        if args.record:
            check_recording(args)
            # Repetitions belong to the rows that go: the ledger's notebook is not to judge the new ones by them.
            (this.committed("results/") / rounding.FILE).unlink(missing_ok=True)
        options = {"scale": args.scale, "seed": args.seed, "force": args.force, "root": args.root}
        outcomes = run(args.only, **options, whole=args.record, kernels=kernels, hold=hold)
    except (RunError, NotebookError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(outputs.unwritten(folder, error), file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        return 143 if isinstance(stop, Terminated) else 130
    try:
        print(ending(this, outcomes))
        if args.record:
            publish(this, outcomes, began)
    except (RunError, ValueError) as error:  # a results file that cannot be read is no fault of the run
        print(f"{table(outcomes)}\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{table(outcomes)}\n{outputs.unwritten(folder, error)}", file=sys.stderr)
        return 1
    if args.html:
        print(f"pages: {site.build(args.scale)}")
    return int(any(o.status == "failed" or o.reason.startswith("needs ") for o in outcomes))
