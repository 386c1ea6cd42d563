"""One notebook through papermill, so that `ran` means: every cell ran, as asked, to the end.

Papermill alone reports success, or carries on, when a parameter is unknown, when no cell is tagged
`parameters`, when a cell calls `sys.exit(0)` or `exit()`, and when a cell is skipped. All of these fail here,
as does a notebook that does not write what it declares. The kernel is always the interpreter that runs
this module, whatever kernel the notebook names.
"""

from __future__ import annotations

import json
import os
import re
import symtable
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import nbformat
import papermill
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from ktlib import places, store
from ktlib.companion.outputs import Run, sha256, stamps, wrote
from ktlib.companion.record.notebooks import Notebook
from ktlib.companion.record.provenance import origin

PACKAGES = ("torch", "torchvision", "open_clip_torch", "transformers", "timm", "numpy", "papermill", "ipykernel")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class NotebookError(Exception):
    """A notebook that cannot be run as asked; the message says what to do."""


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


@dataclass
class Watch:
    """Follows one kernel: which cell it is in, how long each took, and the most memory it has held."""

    stem: str
    on_cell: Callable[[int, int, str], None] = lambda number, of, cell_id: None
    total: int = 0
    cell: int = 0
    source: str = ""
    pid: int | None = None
    peak_mib: float | None = None
    started: float = field(default_factory=time.monotonic)
    cell_started: float = 0.0
    cells: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since the notebook was started."""
        return round(time.monotonic() - self.started, 1)

    def cell_starts(self, cell: Mapping[str, Any], cell_index: int) -> None:
        """Nbclient's `on_cell_start`: note the cell and tell."""
        self.cell, self.source, self.cell_started = cell_index + 1, cell["source"], time.monotonic()
        self.on_cell(self.cell, self.total, cell.get("id", ""))

    def cell_executed(self, cell: Mapping[str, Any], execute_reply: Mapping[str, Any], **_: Any) -> None:
        """Nbclient's `on_cell_executed`: note time and memory, refuse `exit()`, which ends the kernel with success."""
        self.cells[cell.get("id", "")] = round(time.monotonic() - self.cell_started, 1)
        self.peak_mib = peak_memory(self.pid) or self.peak_mib
        if any(item.get("source") == "ask_exit" for item in execute_reply["content"].get("payload", [])):
            raise RuntimeError("the cell called exit(), which ends the kernel and skips the cells that follow")


def peak_memory(pid: int | None) -> float | None:
    """The highest resident memory of a process in MiB, or None where /proc does not tell.

    Source:
        ours
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    except OSError:
        return None
    return round(int(found.group(1)) / 1024, 1) if found else None


def check_parameters(notebook: Notebook, parameters: Mapping[str, Any]) -> None:
    """Refuse a notebook that would not compute with the parameters that it is given.

    Papermill only warns of one that the `parameters` cell lacks, and says nothing of a cell that sets it again.
    """
    tagged = sum("parameters" in cell["tags"] for cell in notebook.cells)
    if tagged != 1:
        raise NotebookError(
            f"expected one cell tagged `parameters`, found {tagged}; tag the cell that sets scale and seed"
        )
    place = next(number for number, cell in enumerate(notebook.cells) if "parameters" in cell["tags"])
    for number, cell in enumerate(notebook.cells):
        if cell["type"] == "code" and number != place:
            used, bound = _names(cell["source"])
            for name in parameters:
                if name in bound or (name in used and number < place):
                    what = "sets" if name in bound else "uses"
                    where = "before" if number < place else "again after"
                    raise NotebookError(
                        f"expected {name} to be set by the cell tagged `parameters` alone, found cell {number + 1}, "
                        f"which {what} it {where} that cell; take another name:\n{cell['source']}"
                    )
    node = nbformat.read(notebook.path, as_version=4)
    node.metadata.update(kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"})
    node.metadata.pop("language_info", None)
    known = papermill.inspect_notebook(node)
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise NotebookError(
            f"unknown parameter {', '.join(unknown)}: the `parameters` cell sets {', '.join(known) or 'none'}"
        )


def _names(source: str) -> tuple[set[str], set[str]]:
    """The global names that a cell uses, and those that it binds; none where it is no Python, which fails later."""
    try:
        tables = [symtable.symtable(TransformerManager().transform_cell(source), "cell", "exec")]
    except SyntaxError:
        return set(), set()
    used: set[str] = set()
    bound: set[str] = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for one in table.get_symbols():
            if table.get_type() == "module" or one.is_global():
                used |= {one.get_name()} if one.is_referenced() else set()
                bound |= {one.get_name()} if one.is_assigned() or one.is_imported() else set()
    return used, bound


def check_finished(node: Mapping[str, Any]) -> None:
    """Refuse an executed notebook in which a code cell did not run or ended in an error (`sys.exit(0)` is one)."""
    for number, cell in enumerate(node["cells"], start=1):
        if cell["cell_type"] != "code" or not cell["source"].strip():
            continue
        errors = [out["ename"] for out in cell["outputs"] if out["output_type"] == "error"]
        if errors or cell["execution_count"] is None:
            what = f"ended in {errors[0]}" if errors else "was never executed"
            raise RuntimeError(f"the notebook did not run to its end: cell {number} {what}:\n{cell['source']}")


def kernel_environment(run: Run) -> dict[str, str]:
    """The kernel's environment: where results go, offline unless the scale is `paper`, and which arithmetic is done.

    Other kernels give other bits, so what was computed with them is kept in a folder of its own.
    """
    offline = {} if run.scale == "paper" else {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # the debugger's word on frozen modules, which nobody debugs here
    return {**os.environ, **offline, **quiet, **places.moved(), "KT_OUTPUT": str(run.folder), **run.kernels.environment}


def kernel_manager(watch: Watch, environment: Mapping[str, str], log: Any) -> type:
    """A kernel manager class that starts `sys.executable`, whatever kernels are registered on the machine.

    What the kernel itself says, beside its cells (a crash; a fuss at shutdown), goes to the open file `log`.
    """

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            # The kernel warns that it talks over TCP in plain text, which a reader cannot change; errors remain.
            quiet = ["--log-level=ERROR"]
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *quiet]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]  # nbclient awaits it
            log.flush()
            await super().start_kernel(env=dict(environment), stdout=log, stderr=log, **options)
            watch.pid = getattr(self.provisioner, "pid", None)

    return ThisInterpreter


def execute(notebook: Notebook, run: Run, partial: Path, watch: Watch, log: TextIO) -> dict[str, str]:
    """Run one notebook into `partial`, streaming what its cells print to `log`; raise unless all of it ran.

    Returns:
        The files that it wrote, with their sha256.
    """
    check_parameters(notebook, run.parameters)
    watch.total = len(notebook.cells) + 1  # papermill adds the injected-parameters cell
    before = stamps(run.folder, notebook)
    node = papermill.execute_notebook(
        nbformat.read(notebook.path, as_version=4),
        str(partial).replace("{", "{{").replace("}", "}}"),  # papermill takes paths for format strings
        parameters=run.parameters,
        kernel_name="python3",
        language="python",
        cwd=str(run.root),
        progress_bar=False,
        stdout_file=log,
        stderr_file=log,
        kernel_manager_class=kernel_manager(watch, kernel_environment(run), log),
        on_cell_start=watch.cell_starts,
        on_cell_executed=watch.cell_executed,
    )
    check_finished(node)
    return wrote(run.folder, notebook, before)


def explain(error: BaseException, watch: Watch) -> str:
    """Say in which cell a notebook failed, with the cell's source and the error."""
    if isinstance(error, KeyboardInterrupt):
        return f"{watch.stem} was interrupted in cell {watch.cell} of {watch.total}: run it again to go on\n"
    where = f"in cell {watch.cell} of {watch.total}" if watch.cell else "before its first cell"
    what = "\n".join(getattr(error, "traceback", [])) or f"{type(error).__name__}: {error}"
    if type(error).__name__ == "DeadKernelError":
        what += " (out of memory, killed, or os._exit)"
    source = "".join(f"    | {line}\n" for line in watch.source.splitlines())
    return f"{watch.stem} failed {where}:\n{source}{ANSI.sub('', what)}\n"


def attempt(
    notebook: Notebook, run: Run, key: str, facts: Mapping[str, Any], watch: Watch, say: Callable[[str], None]
) -> Outcome:
    """Run one notebook; on success replace the last good run, on failure leave it and keep the half-run copy beside.

    Args:
        notebook: to run.
        run: where and with which parameters.
        key: the digest of all that the run depends on.
        facts: to be kept in its record beside what is measured here.
        watch: that follows it.
        say: takes what there is to report of a failure.
    """
    copy, partial, failed, log_path, record_path = (
        run.folder / f"{notebook.stem}{end}" for end in (".ipynb", ".partial.ipynb", ".failed.ipynb", ".log", ".json")
    )
    partial.unlink(missing_ok=True)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with log_path.open("w", encoding="utf-8") as log:
        try:
            files = execute(notebook, run, partial, watch, log)
        except (Exception, KeyboardInterrupt) as error:  # whatever it is: this notebook failed, the others may not
            report = explain(error, watch) + f"log: {log_path}\n"
            if partial.exists():
                partial.replace(failed)
                report += f"half-run copy: {failed}\n"
            log.write("\n" + report)
            if not hasattr(error, "traceback"):
                traceback.print_exception(error, file=log)
            say(report)
            if isinstance(error, KeyboardInterrupt):
                raise
            return Outcome(notebook.stem, "failed", watch.seconds, watch.peak_mib, f"see {log_path}")
    outcome = Outcome(notebook.stem, "ran", watch.seconds, watch.peak_mib)
    partial.replace(copy)
    failed.unlink(missing_ok=True)
    record = {"digest": key, "parameters": run.parameters, "started": started, "seconds": outcome.seconds}
    record |= {"peak_mib": outcome.peak_mib, "copy": sha256(copy), "wrote": files, **facts, "cells": watch.cells}
    record |= origin(run.root) | {"kernels": str(run.kernels), "versions": versions()}
    store.write_text(record_path, json.dumps(record, indent=1) + "\n")
    return outcome


def versions() -> dict[str, str]:
    """The packages that a number may depend on."""
    installed = {d.name.lower().replace("-", "_"): d.version for d in metadata.distributions()}
    return {package: installed[package] for package in PACKAGES if package in installed}
