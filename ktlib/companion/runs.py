"""Run the notebooks through papermill, so that `ran` means: every cell ran, as asked, to the end.

Papermill alone reports success, or carries on, when a parameter is unknown, when no cell is tagged
`parameters`, when a cell calls `sys.exit(0)` or `exit()`, and when a cell is skipped. All of these fail here,
as does a notebook that does not write what it declares. The kernel is always the interpreter that runs
this module, whatever kernel the notebook names.

A notebook declares itself in its metadata:
`"kt": {"scales": ["pocket", ...], "reads": ["results/{scale}/*.csv"], "writes": ["results/{scale}/kt_tab_1.csv"]}`.
For `NN_slug` at a scale, `runs/<scale>/` holds `NN_slug.ipynb` (the last good run), `.log`, `.json` (the record
by which an unchanged notebook is skipped) and, after a failure, `NN_slug.failed.ipynb`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from ktlib.places import ROOT

SCALES = ("pocket", "rehearsal", "paper")
CODE = ("ktlib/**/*.py", "ktlib/**/*.mplstyle", "ktlib/pocket/weights/**", "data_manifests/**", "requirements.lock")
PACKAGES = ("torch", "torchvision", "open_clip_torch", "transformers", "timm", "numpy", "papermill", "ipykernel")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class RunError(Exception):
    """What was asked for cannot be run; the message says what to do."""


class Terminated(KeyboardInterrupt):
    """SIGTERM; a KeyboardInterrupt, because asyncio lets only that one through."""


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook: `ran`, `unchanged`, `failed` or `not run`."""

    notebook: str
    status: str
    seconds: float = 0.0
    peak_mib: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Notebook:
    """A notebook's source and what its `kt` metadata declares, at one scale."""

    path: Path
    cells: list[dict[str, Any]]
    scales: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def stem(self) -> str:
        """`01_rare_concepts`."""
        return self.path.stem


@dataclass
class Watch:
    """Follows one kernel: which cell it is in, and the most memory it has held."""

    stem: str
    total: int = 0
    cell: int = 0
    source: str = ""
    pid: int | None = None
    peak_mib: float | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the notebook was started."""
        return round(time.monotonic() - self.started, 1)

    def cell_starts(self, cell: Mapping[str, Any], cell_index: int) -> None:
        """Nbclient's `on_cell_start`: note the cell and show progress on a terminal."""
        self.cell, self.source = cell_index + 1, cell["source"]
        if sys.stderr.isatty():
            print(
                f"\r\x1b[K{self.stem}  cell {self.cell} of {self.total}  {self.seconds:.0f} s", end="", file=sys.stderr
            )

    def cell_executed(self, execute_reply: Mapping[str, Any], **_: Any) -> None:
        """Nbclient's `on_cell_executed`: read the memory, refuse `exit()`, which stops the kernel with success."""
        self.peak_mib = peak_memory(self.pid) or self.peak_mib
        if any(item.get("source") == "ask_exit" for item in execute_reply["content"].get("payload", [])):
            raise RuntimeError("the cell called exit(), which ends the kernel and skips the cells that follow")


def peak_memory(pid: int | None) -> float | None:
    """Return the highest resident memory of a process in MiB, or None where /proc does not tell.

    Source:
        ours
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return round(int(found.group(1)) / 1024, 1) if found else None


def discover(root: Path, only: Sequence[str] | None) -> list[Path]:
    """Return the notebooks to run, in order; `only` holds number prefixes (`01`) or stems.

    Raises:
        RunError: there are no notebooks, or a name in `only` fits none.

    Source:
        ours
    """
    found = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise RunError(f"expected notebooks named NN_slug.ipynb in {root / 'notebooks'}; found none")
    if not only:
        return found
    wanted = [Path(name).name.removesuffix(".ipynb") for name in only]
    for name in wanted:
        if not any(name in (path.stem, path.stem[:2]) for path in found):
            raise RunError(f"no notebook {name!r}; there are: {', '.join(path.stem for path in found)}")
    return [path for path in found if path.stem in wanted or path.stem[:2] in wanted]


def read(path: Path, scale: str) -> Notebook:
    """Read a notebook's source (never its outputs) and its declarations, with `{scale}` filled in."""
    content = json.loads(path.read_text(encoding="utf-8"))
    declared = content["metadata"].get("kt", {})
    cells = [
        {"type": cell["cell_type"], "source": "".join(cell["source"]), "tags": cell["metadata"].get("tags", [])}
        for cell in content["cells"]
    ]
    reads, writes = (tuple(p.replace("{scale}", scale) for p in declared.get(key, ())) for key in ("reads", "writes"))
    return Notebook(path, cells, tuple(declared.get("scales", SCALES)), reads, writes)


def matches(root: Path, pattern: str) -> list[Path]:
    """Return the files under `root` that fit a glob, sorted, none hidden or cached; a final `**` means files."""
    found = root.glob(pattern + "/*" if pattern.endswith("**") else pattern)
    parts = {path: path.relative_to(root).parts for path in found if path.is_file()}
    return sorted(path for path in parts if not any(part.startswith((".", "__pycache__")) for part in parts[path]))


def digest(notebook: Notebook, parameters: Mapping[str, Any], root: Path) -> str:
    """Return the sha256 over all a run depends on: source, declarations, parameters, code, weights, data read.

    Source:
        ours
    """
    declared = [notebook.stem, notebook.cells, notebook.reads, notebook.writes, dict(parameters)]
    total = hashlib.sha256(json.dumps(declared, sort_keys=True).encode())
    for path in sorted({path for pattern in CODE + notebook.reads for path in matches(root, pattern)}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()


def overlaps(one: str, other: str) -> bool:
    """Tell whether some path could fit both globs; `*` may span folders, so this errs towards yes."""
    simple = [re.sub(r"\[[^]]*\]", "?", pattern.replace("**/", "*")) for pattern in (one, other)]

    @cache
    def meet(a: str, b: str) -> bool:
        if not a or not b:
            return set(a + b) <= {"*"}
        if a[0] == "*":
            return meet(a[1:], b) or meet(a, b[1:])
        if b[0] == "*":
            return meet(a, b[1:]) or meet(a[1:], b)
        return (a[0] == b[0] or "?" in (a[0], b[0])) and meet(a[1:], b[1:])

    return meet(*simple)


def is_unchanged(notebook: Notebook, key: str, folder: Path, root: Path) -> bool:
    """Tell whether the last run was good, had this digest, was not followed by a bad one, and its files are there."""
    try:
        record = json.loads((folder / f"{notebook.stem}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    spoiled = any((folder / f"{notebook.stem}.{kind}.ipynb").exists() for kind in ("failed", "partial"))
    there = (folder / f"{notebook.stem}.ipynb").exists() and all(matches(root, p) for p in notebook.writes)
    return record.get("digest") == key and there and not spoiled


def check_parameters(notebook: Notebook, parameters: Mapping[str, Any]) -> None:
    """Refuse a notebook whose `parameters` cell lacks one of the parameters: papermill would only warn."""
    import nbformat
    import papermill

    tagged = sum("parameters" in cell["tags"] for cell in notebook.cells)
    if tagged != 1:
        raise RunError(f"expected one cell tagged `parameters`, found {tagged}; tag the cell that sets scale and seed")
    node = nbformat.read(notebook.path, as_version=4)
    node.metadata.update(kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"})
    node.metadata.pop("language_info", None)
    known = papermill.inspect_notebook(node)
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise RunError(
            f"unknown parameter {', '.join(unknown)}: the `parameters` cell sets {', '.join(known) or 'none'}"
        )


def check_finished(node: Mapping[str, Any]) -> None:
    """Refuse an executed notebook in which a code cell did not run or ended in an error (`sys.exit(0)` is one)."""
    for number, cell in enumerate(node["cells"], start=1):
        if cell["cell_type"] != "code" or not cell["source"].strip():
            continue
        errors = [out["ename"] for out in cell["outputs"] if out["output_type"] == "error"]
        if errors or cell["execution_count"] is None:
            what = f"ended in {errors[0]}" if errors else "was never executed"
            raise RuntimeError(f"the notebook did not run to its end: cell {number} {what}:\n{cell['source']}")


def kernel_environment(scale: str) -> dict[str, str]:
    """Return the kernel's environment: offline unless the scale is `paper`."""
    offline = {} if scale == "paper" else {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return {**os.environ, **offline}


def kernel_manager(watch: Watch, environment: Mapping[str, str]) -> type:
    """Return a kernel manager class that starts `sys.executable`, whatever kernels are registered on the machine."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]  # nbclient awaits it
            await super().start_kernel(env=dict(environment), **options)
            watch.pid = getattr(self.provisioner, "pid", None)

    return ThisInterpreter


def execute(
    notebook: Notebook, parameters: Mapping[str, Any], partial: Path, root: Path, watch: Watch, log: TextIO
) -> None:
    """Run one notebook into `partial`, streaming what its cells print to `log`; raise unless all of it ran."""
    import nbformat
    import papermill

    check_parameters(notebook, parameters)
    watch.total = len(notebook.cells) + 1  # papermill adds the injected-parameters cell
    node = papermill.execute_notebook(
        nbformat.read(notebook.path, as_version=4),
        str(partial).replace("{", "{{").replace("}", "}}"),  # papermill takes paths for format strings
        parameters=dict(parameters),
        kernel_name="python3",
        language="python",
        cwd=str(root),
        progress_bar=False,
        stdout_file=log,
        stderr_file=log,
        kernel_manager_class=kernel_manager(watch, kernel_environment(str(parameters["scale"]))),
        on_cell_start=watch.cell_starts,
        on_cell_executed=watch.cell_executed,
    )
    check_finished(node)
    unwritten = [pattern for pattern in notebook.writes if not matches(root, pattern)]
    if unwritten:
        raise RuntimeError(f"the notebook ran to its end but did not write what it declares: {', '.join(unwritten)}")


def provenance(root: Path) -> dict[str, Any]:
    """Return what a record says about the code and the machine: commit, versions, device."""

    def output_of(*command: str) -> str:
        if shutil.which(command[0]) is None:
            return ""
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()

    installed = {d.name.lower().replace("-", "_"): d.version for d in metadata.distributions()}
    gpu = output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").replace("\n", ", ")
    return {
        "commit": output_of("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or "unknown",
        "versions": {"python": platform.python_version()} | {p: installed[p] for p in PACKAGES if p in installed},
        "device": gpu or f"cpu ({platform.machine()}, {os.cpu_count()} cores)",
    }


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record whole or not at all."""
    beside = path.with_suffix(".json.partial")
    beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def explain(error: BaseException, watch: Watch) -> str:
    """Say in which cell a notebook failed, with the cell's source and the error."""
    where = f"in cell {watch.cell} of {watch.total}" if watch.cell else "before its first cell"
    what = "\n".join(getattr(error, "traceback", [])) or f"{type(error).__name__}: {error}"
    if type(error).__name__ == "DeadKernelError":
        what += " (out of memory, killed, or os._exit)"
    source = "".join(f"    | {line}\n" for line in watch.source.splitlines())
    return f"{watch.stem} failed {where}:\n{source}{ANSI.sub('', what)}\n"


def attempt(notebook: Notebook, parameters: Mapping[str, Any], key: str, folder: Path, root: Path) -> Outcome:
    """Run one notebook; on success replace the last good run, on failure leave it and keep the half-run copy beside."""
    copy, partial, failed, log_path, record_path = (
        folder / f"{notebook.stem}{end}" for end in (".ipynb", ".partial.ipynb", ".failed.ipynb", ".log", ".json")
    )
    partial.unlink(missing_ok=True)
    watch, started = Watch(notebook.stem), datetime.now(UTC).isoformat(timespec="seconds")
    with log_path.open("w", encoding="utf-8") as log:
        try:
            execute(notebook, parameters, partial, root, watch, log)
        except (Exception, KeyboardInterrupt) as error:  # whatever it is: this notebook failed, the others may not
            report = explain(error, watch) + f"log: {log_path}\n"
            if partial.exists():
                partial.replace(failed)
                report += f"half-run copy: {failed}\n"
            log.write("\n" + report)
            if not hasattr(error, "traceback"):
                traceback.print_exception(error, file=log)
            print(("\r\x1b[K" if sys.stderr.isatty() else "") + report, file=sys.stderr)
            if isinstance(error, KeyboardInterrupt):
                raise
            return Outcome(notebook.stem, "failed", watch.seconds, watch.peak_mib, f"see {log_path}")
    outcome = Outcome(notebook.stem, "ran", watch.seconds, watch.peak_mib)
    partial.replace(copy)
    failed.unlink(missing_ok=True)
    facts = {"digest": key, "parameters": dict(parameters), "started": started, "seconds": outcome.seconds}
    write_record(record_path, facts | {"peak_mib": outcome.peak_mib} | provenance(root))
    if sys.stderr.isatty():
        print(f"\r\x1b[K{notebook.stem}  ran in {outcome.seconds:.0f} s", file=sys.stderr)
    return outcome


def check_inputs(scale: str, stems: Sequence[str]) -> None:
    """Refuse to start while datasets or checkpoints are missing, naming all of them at once."""
    if scale == "pocket":
        return
    try:
        from ktlib.data import manifests
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("ktlib.data"):
            raise
        return
    missing = [str(item) for item in manifests.missing(scale, stems)]
    if missing:
        raise RunError(f"{len(missing)} thing(s) missing at scale {scale}:\n\n" + "\n\n".join(missing))


def run(notebooks: Sequence[str] | None, *, scale: str, seed: int, force: bool, root: Path) -> list[Outcome]:
    """Run notebooks in order, skipping the unchanged ones and those that need what a failed one writes.

    Args:
        notebooks: number prefixes (`01`) or stems; None or empty means all that support the scale.
        scale: `pocket`, `rehearsal` or `paper`; passed to each notebook.
        seed: passed to each notebook.
        force: run even what is unchanged.
        root: the repository root, and the working directory of every kernel.

    Returns:
        One outcome a notebook, in order.

    Raises:
        RunError: a name fits no notebook, a named one does not support the scale, or inputs are missing.
        KeyboardInterrupt: on Ctrl-C, and `Terminated` on SIGTERM; the kernel is shut down first.

    Source:
        ours
    """
    if scale not in SCALES:
        raise RunError(f"expected a scale out of {', '.join(SCALES)}, got {scale!r}")
    root = root.resolve()
    chosen = [read(path, scale) for path in discover(root, notebooks)]
    unsupported = [notebook.stem for notebook in chosen if scale not in notebook.scales]
    if notebooks and unsupported:
        raise RunError(f"not made for the scale {scale}: {', '.join(unsupported)}")
    check_inputs(scale, [notebook.stem for notebook in chosen if scale in notebook.scales])
    folder = root / "runs" / scale
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {"scale": scale, "seed": seed}
    outcomes: list[Outcome] = []
    spoiled: dict[str, str] = {}  # what a failed notebook would have written -> that notebook
    for notebook in chosen:
        needs = sorted({spoiled[w] for w in spoiled for r in notebook.reads if overlaps(r, w)})
        if notebook.stem in unsupported:
            outcomes.append(Outcome(notebook.stem, "not run", reason=f"not made for the scale {scale}"))
            continue
        key = digest(notebook, parameters, root)
        if needs:
            outcomes.append(Outcome(notebook.stem, "not run", reason=f"needs {', '.join(needs)}"))
        elif not force and is_unchanged(notebook, key, folder, root):
            outcomes.append(Outcome(notebook.stem, "unchanged"))
        else:
            outcomes.append(attempt(notebook, parameters, key, folder, root))
        if outcomes[-1].status in ("failed", "not run"):
            spoiled |= dict.fromkeys(notebook.writes, notebook.stem)
    return outcomes


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


def terminate(_number: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that the kernel is shut down and the half-run copy kept."""
    raise Terminated


def main(argv: Sequence[str] | None = None) -> int:
    """Run notebooks from the command line.

    Returns:
        0 if all is well, 1 if a notebook failed or could not run for it, 2 if nothing could be started,
        130 after Ctrl-C, 143 after SIGTERM.
    """
    parser = argparse.ArgumentParser(prog="python -m ktlib.companion.runs", description="Run the notebooks at a scale.")
    parser.add_argument("--scale", choices=SCALES, default="pocket")
    parser.add_argument("--only", action="append", metavar="NN", help="number prefix or stem; may be repeated")
    parser.add_argument("--force", action="store_true", help="run even what has not changed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, default=ROOT, help="default: this repository")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, terminate)
    try:
        outcomes = run(args.only, scale=args.scale, seed=args.seed, force=args.force, root=args.root)
    except RunError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        return 143 if isinstance(stop, Terminated) else 130
    print(table(outcomes))
    return int(any(o.status == "failed" or o.reason.startswith("needs ") for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
