"""Tiny notebooks in a made-up repository, and ways to run them."""

import nbformat

from ktlib.companion import runs

PARAMETERS = 'scale: str = "pocket"\nseed: int = 0'
WRITES = """\
import os, pathlib
out = pathlib.Path(os.environ["KT_OUTPUT"]) / "results" / "a.csv"
out.parent.mkdir(parents=True, exist_ok=True)
"""


def write_notebook(root, stem, *cells, parameters=PARAMETERS, kt=None, kernelspec=None, tags=()):
    """Write a tiny notebook: the parameters cell (unless None), then the cells; `tags` go on the last one."""
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    if tags:
        node.cells[-1].metadata["tags"] = list(tags)
    if parameters is not None:
        node.cells.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    if kt:
        node.metadata["kt"] = kt
    if kernelspec:
        node.metadata["kernelspec"] = kernelspec
    for number, cell in enumerate(node.cells):
        cell["id"] = f"cell-{number}"
    path = root / "notebooks" / f"{stem}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(node, path)
    return path


def run(root, *only, scale="pocket", seed=0, force=False, **options):
    return runs.run(only, scale=scale, seed=seed, force=force, root=root, **options)


def statuses(outcomes):
    return {outcome.notebook: outcome.status for outcome in outcomes}


def printed(root, stem, scale="pocket"):
    return (root / "runs" / scale / f"{stem}.log").read_text()
