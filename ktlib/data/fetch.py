"""Download a file so that nothing is lost and nothing wrong is kept, and unpack it so that nothing gets out.

Only `python -m ktlib data get` calls this; no reader, notebook or test fetches anything from the internet.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import httpx

from ktlib import places, store
from ktlib.data import addresses

SPARE = 64 << 20  # bytes of disk that are left free
HOPS = 5  # redirects
PAGES = ("text/html", "application/xhtml+xml")  # types of an answer that is no file of data


def download(
    url: str,
    target: Path,
    *,
    digests: Mapping[str, str] | None = None,
    attempts: int = 5,
    patience: float = 30.0,
    pause: float = 1.0,
    say: Callable[[str], object] = lambda _: None,
) -> Path:
    """Bring the file of an address to its place, going on where an earlier attempt stopped.

    What has come lies beside the place as `NAME.part` until it is whole and its digests are right.

    Args:
        url: an address that begins with http:// or https://.
        target: where the file belongs; one that is there with the right digests is left alone.
        digests: `md5` or `sha256`, whole or the first digits; None where the publisher states none.
        attempts: in a row that may bring nothing.
        patience: seconds without a byte after which an attempt is given up.
        pause: seconds before the second attempt; doubled from one to the next.
        say: is told what happens.

    Returns:
        The place.

    Raises:
        ValueError: a digest is wrong, the disk is too small, or the address shows a page.
        ConnectionError: the address does not answer, or nothing more comes; what has come is kept.
        PermissionError: a variable forbids downloads.
        BlockingIOError: another process is at it.

    Source:
        ours
    """
    if places.offline():
        raise PermissionError(
            f"expected leave to fetch {url}, found HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE set; unset both and try again"
        )
    if target.is_file() and not _wrong(target, digests):
        return target
    if addresses.shows_a_page(url):
        raise ValueError(_page(url))
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(part, target), httpx.Client(timeout=patience, follow_redirects=True, max_redirects=HOPS) as client:
        _all(client, url, part, attempts, pause, say)
        if wrong := _wrong(part, digests):
            size = part.stat().st_size
            _forget(part)
            raise ValueError(
                f"expected {wrong[0]} {wrong[1]} for {target.name}, found {wrong[2]} in the {size:,} bytes from {url}; "
                "they were deleted: try again, and if that brings the same, the publisher has changed the file"
            )
        part.replace(target)
        _forget(part)
    return target


@contextlib.contextmanager
def _alone(part: Path, target: Path) -> Iterator[None]:
    try:
        with store.locked(part.with_name(f"{part.name}.lock"), f"fetching {target.name}"):
            yield
    except BlockingIOError as error:
        raise BlockingIOError(f"expected nobody else to fetch {target}, found {error}; wait for it") from error


def _all(client: httpx.Client, url: str, part: Path, attempts: int, pause: float, say: Callable[[str], object]) -> None:
    """Attempt after attempt until the file is whole."""
    idle, most = 0, _size(part)
    while True:
        try:
            _some(client, url, part, say)
            return
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise ConnectionError(
                    f"expected the file behind {url}, found status {error.response.status_code} "
                    f"({error.response.reason_phrase}); see whether its publisher has moved it"
                ) from error
            found: Exception = error
        except (httpx.TooManyRedirects, httpx.UnsupportedProtocol) as error:
            raise ConnectionError(f"expected the file behind {url}, found {error}; nothing was fetched") from error
        except httpx.TransportError as error:
            found = error
        idle = 0 if _size(part) > most else idle + 1  # more than ever: a file that starts anew is no progress
        most = max(most, _size(part))
        if idle >= attempts:
            said = " ".join(str(found).split())
            raise ConnectionError(
                f"expected an answer from {url}, found {type(found).__name__} ({said}) {idle} times in a row; "
                f"{_size(part):,} bytes are kept in {part.name}: the same command goes on from there"
            ) from found
        say(f"  {type(found).__name__} after {_size(part):,} bytes; going on")
        time.sleep(pause * 2 ** max(idle - 1, 0))


def _some(client: httpx.Client, url: str, part: Path, say: Callable[[str], object]) -> None:
    """One attempt: ask for what is lacking, and write it behind what is there."""
    have, known = _size(part), _known(part)
    headers = {"Accept-Encoding": "identity"}  # the bytes of the file, for they are counted
    if have and known.get("url") == url and known.get("tag"):
        headers |= {"Range": f"bytes={have}-", "If-Range": str(known["tag"])}
    else:
        have = 0  # nothing says that the file behind the address is still the same
    with client.stream("GET", url, headers=headers) as answer:
        if url.startswith("https:") and answer.url.scheme != "https":
            raise httpx.UnsupportedProtocol(f"a redirect from https to {answer.url.scheme}")
        if answer.status_code == 416 and have:  # it asked for what lies behind the end
            if have == known.get("total"):
                return
            _forget(part)
            raise httpx.ReadError("a part that is longer than the file; it was deleted")
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").lower().startswith(PAGES):
            raise ValueError(_page(url))
        if answer.status_code == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _forget(part)
            raise httpx.ReadError("another range than was asked for")
        have = have if answer.status_code == 206 else 0
        lacking = int(answer.headers.get("Content-Length", 0))
        free = shutil.disk_usage(part.parent).free
        if lacking + SPARE > free:
            raise ValueError(_full(part.parent, lacking, free))
        tag = answer.headers.get("ETag", "")
        tag = answer.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
        store.write_text(_notes(part), json.dumps({"url": url, "tag": tag, "total": have + lacking}))
        say(f"  {url}: {(have + lacking) / 1e6:,.1f} MB" + (f", of which {have / 1e6:,.1f} are there" if have else ""))
        try:
            part.touch()
            with io.BufferedWriter(io.FileIO(part, "r+")) as file:
                file.truncate(have)
                file.seek(have)
                for chunk in answer.iter_raw():
                    file.write(chunk)
        except OSError as error:
            raise ValueError(_full(part.parent, lacking, shutil.disk_usage(part.parent).free, error)) from error


def _page(url: str) -> str:
    return (
        f"expected a file behind {url}, found a page that shows or asks something; nothing was kept: open it in a "
        "browser and download the file there"
    )


def _full(folder: Path, lacking: int, free: int, error: OSError | None = None) -> str:
    why = f" ({error.strerror})" if error else ""
    return (
        f"expected room for {lacking / 1e9:,.2f} GB in {folder}, found {free / 1e9:,.2f} GB free{why}; make room or "
        "set KT_DATA to a folder on a larger disk: the same command goes on from there"
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _known(part: Path) -> dict[str, object]:
    try:
        known = json.loads(_notes(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _forget(part: Path) -> None:
    for file in (part, _notes(part)):
        file.unlink(missing_ok=True)


def digest(file: Path, kind: str) -> str:
    """The `md5` or `sha256` of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _wrong(file: Path, digests: Mapping[str, str] | None) -> tuple[str, str, str] | None:
    """The first digest that does not fit: its kind, what was expected, what was found."""
    for kind, expected in (digests or {}).items():
        if not (found := digest(file, kind)).startswith(expected.lower()):
            return kind, expected, found
    return None


# -- unpacking ----------------------------------------------------------------------------------------
def extract(archive: Path, into: Path) -> list[Path]:
    """Unpack a zip or tar; all of it arrives, or nothing.

    Args:
        archive: by its content a zip, or a tar that may be compressed.
        into: the folder; files of the same name are replaced.

    Returns:
        The files that arrived, relative to the folder.

    Raises:
        ValueError: it is damaged or something else, a member has a path that leads elsewhere, is a link or no plain
            file, or the disk is too small. Nothing has been written then.

    Source:
        ours
    """
    into.mkdir(parents=True, exist_ok=True)
    hold = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=into))
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, hold)
        else:
            _untar(archive, hold)
        files = [path.relative_to(hold) for path in sorted(hold.rglob("*")) if path.is_file()]
        for path in files:
            target = into / path
            if not target.parent.resolve().is_relative_to(into.resolve()):
                raise ValueError(f"expected folders inside {into}, found a link at {target.parent}; remove it")
            target.parent.mkdir(parents=True, exist_ok=True)
            (hold / path).replace(target)
        return files
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        said = " ".join(str(error).split())
        raise ValueError(
            f"expected a whole zip or tar in {archive}, found that it is damaged ({said}); delete it and get it again"
        ) from error
    except OSError as error:
        raise ValueError(
            f"expected to unpack {archive} into {into}, found: {error.strerror or error}; nothing of it is there"
        ) from error
    finally:
        shutil.rmtree(hold, ignore_errors=True)


def _inside(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0] or "\0" in name:
        raise ValueError(
            f"expected paths inside the folder in {archive}, found {name!r}, which leads out of it; do not use it"
        )


def _room(archive: Path, folder: Path, size: int) -> None:
    if size + SPARE > (free := shutil.disk_usage(folder).free):
        raise ValueError(f"{archive.name}: {_full(folder, size, free)}")


def _unzip(archive: Path, hold: Path) -> None:
    with zipfile.ZipFile(archive) as whole:
        for member in whole.infolist():
            _inside(archive, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"expected plain files in {archive}, found a link or device {member.filename!r}")
        _room(archive, hold, sum(member.file_size for member in whole.infolist()))
        whole.extractall(hold)


def _untar(archive: Path, hold: Path) -> None:
    with tarfile.open(archive, encoding="utf-8") as whole:
        size = 0
        members = whole.getmembers()
        for member in members:
            _inside(archive, member.name)
            if not (member.isfile() or member.isdir()):
                raise ValueError(f"expected plain files in {archive}, found a link or device {member.name!r}")
            size += member.size
        _room(archive, hold, size)
        whole.extractall(hold, members, filter="data")
