"""RareConcepts: a folder of pictures for each concept.

`<root>/rare_concepts/<concept>/*.{jpg,jpeg,png,webp}`, folder names in lower case, with an optional
`manifest.csv` (concept, file, source_url, licence, sha256) beside the folders. The authors' pictures
are not released (`data_manifests/datasets/rare_concepts.json`), so the folder is filled by its user.

Concepts that the papers do not describe, the four patterns of KT v2, Tab. 12 among them, are described in
`descriptions.csv` beside the folders: concept, kind (`object` or `pattern`), short, medium, long. Only `long` must be
filled in; `short` is what ViLT is taught with and must fit forty tokens with the name in front (D46).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from ktlib.data import images, tables
from ktlib.data.manifests import data_root
from ktlib.data.sets import Concept

DESCRIPTIONS = "descriptions.csv"
DESCRIBED = ("concept", "kind", "short", "medium", "long")
KINDS = ("object", "pattern")
COLUMNS = ("concept", "file", "source_url", "licence", "sha256")


def concepts(root: str | Path | None = None) -> list[str]:
    """Names of the concepts that have a folder, sorted.

    Args:
        root: the folder that holds `rare_concepts`; by default `manifests.data_root()`.

    Raises:
        FileNotFoundError: there is no `rare_concepts` folder, or it holds no concept.
        ValueError: a folder's name is not in lower case, so no concept would match it.
    """
    home = _home(root)
    names = sorted(entry.name for entry in home.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if upper := [name for name in names if name != " ".join(name.lower().split())]:
        raise ValueError(
            f"expected folders named as concepts are, in lower case, in {home}, found {', '.join(upper)}; rename them"
        )
    if not names:
        raise FileNotFoundError(
            f"expected a folder for each concept in {home}, found none; make {home / 'moongate'} and put pictures there"
        )
    return names


def paths(concept: str, root: str | Path | None = None) -> list[Path]:
    """The pictures of one concept, sorted by name, checked against `manifest.csv` where there is one.

    Args:
        concept: its name; case is ignored, as the papers print names with a capital letter.
        root: the folder that holds `rare_concepts`; by default `manifests.data_root()`.

    Raises:
        FileNotFoundError: the concept has no folder or no picture, or the manifest lists an absent file.
        ValueError: a digest differs, a picture is not in the manifest, or the manifest is malformed.
    """
    names = concepts(root)
    home, name = _home(root), concept.lower()
    if name not in names:
        raise FileNotFoundError(
            f"expected a folder {name!r} in {home}, found {', '.join(names)}; "
            "choose one of these or add the folder with its pictures"
        )
    found = images.folder(home / name)
    manifest = home / "manifest.csv"
    if manifest.is_file():
        _check(found, _listed(manifest, name), manifest)
    return found


def descriptions(root: str | Path | None = None) -> dict[str, Concept]:
    """The concepts that `descriptions.csv` describes, by name in lower case; none where there is no such file.

    A description must not hold the name: the caption puts it in front, and images are inverted without it.

    Args:
        root: the folder that holds `rare_concepts`; by default `manifests.data_root()`.

    Raises:
        FileNotFoundError: there is no `rare_concepts` folder.
        ValueError: a column is missing, a concept stands there twice, its kind is another word, it has no long
            description, or a description holds the name.
    """
    file = _home(root) / DESCRIPTIONS
    found: dict[str, Concept] = {}
    for line in tables.rows(file, DESCRIBED) if file.is_file() else ():
        name, kind, short, medium, long = ((line[column] or "").strip() for column in DESCRIBED)
        name = name.lower()
        if not name or name in found:
            raise ValueError(
                f"expected each concept once in {file}, found {name!r} {'again' if name else ''}; correct it"
            )
        if kind not in KINDS:
            raise ValueError(f"expected the kind object or pattern of {name} in {file}, found {kind!r}; correct it")
        if not long:
            raise ValueError(f"expected a long description of {name} in {file}, found none; write one")
        if named := [text for text in (short, medium, long) if name in text.lower()]:
            raise ValueError(
                f"expected descriptions without the name {name!r} in {file}, found {named[0]!r}; reword it"
            )
        found[name] = Concept(name, "test", kind, short, medium, long, long)
    return found


def _home(root: str | Path | None) -> Path:
    home = (data_root() if root is None else Path(root)) / "rare_concepts"
    if not home.is_dir():
        raise FileNotFoundError(
            f"expected a folder for each concept in {home}, found no such folder; no download exists, collect the "
            "pictures yourself (`python -m ktlib data show rare_concepts` says how)"
        )
    return home


def _listed(manifest: Path, concept: str) -> dict[str, str]:
    """File name -> sha256 of the rows of one concept; an empty digest is not checked."""
    rows = tables.rows(manifest, COLUMNS)
    here = [row for row in rows if row["concept"].strip().lower() == concept]
    if twice := [name for name, count in Counter(row["file"] for row in here).items() if count > 1]:
        raise ValueError(f"expected one row for each file in {manifest}, found {', '.join(twice)} twice; remove one")
    return {row["file"]: row["sha256"].strip().lower() for row in here}


def _check(found: list[Path], listed: dict[str, str], manifest: Path) -> None:
    present = {path.name: path for path in found}
    if absent := sorted(set(listed) - set(present)):
        raise FileNotFoundError(
            f"expected {', '.join(absent)} in {found[0].parent} because {manifest} lists it, found it absent; "
            "fetch it from its source_url or remove its row"
        )
    if unlisted := sorted(set(present) - set(listed)):
        raise ValueError(
            f"expected a row for every picture in {manifest}, found none for {', '.join(unlisted)}; "
            "add its source and licence or remove the picture"
        )
    for name, digest in listed.items():
        actual = hashlib.sha256(present[name].read_bytes()).hexdigest()
        if digest and actual != digest:
            raise ValueError(
                f"expected sha256 {digest} for {present[name]} by {manifest}, found {actual}; "
                "fetch the file again or correct its row"
            )
