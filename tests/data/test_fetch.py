"""Downloads from a server on the loopback that misbehaves, archives that want out, and a full disk."""

import errno
import hashlib
import io
import os
import shutil
import tarfile
import threading
import time
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ktlib.data import fetch

CONTENT = bytes(range(256)) * 800  # 200 KB, no two stretches of it at the same place alike
HALF = len(CONTENT) // 2
SHA = hashlib.sha256(CONTENT).hexdigest()
HTML = b"<!doctype html><title>Sign in</title>"
PAGES = {"page": "text/html", "shouted": "TEXT/HTML; charset=utf-8", "xhtml": "application/xhtml+xml"}
Disk = namedtuple("Disk", "total used free")


class Server(BaseHTTPRequestHandler):
    """What it does wrong stands in the path."""

    asked: list[tuple[str, str | None]] = []
    cuts = 0
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        ranged = self.headers.get("Range")
        type(self).asked.append((self.path, ranged))
        kind = self.path.split("/")[1]
        if kind == "redirect":
            return self.redirect("/good/file.bin")
        if kind == "login":
            return self.redirect("/page/a.zip")
        if kind == "round":
            return self.redirect(self.path)
        if kind == "ftp":
            return self.redirect("ftp://127.0.0.1/file.bin")
        if kind == "gone":
            self.send_error(404)
            return None
        if kind == "busy":
            self.send_error(503)
            return None
        if kind in PAGES:
            self.send_response(200)
            self.send_header("Content-Type", PAGES[kind])
            self.send_header("Content-Length", str(len(HTML)))
            self.end_headers()
            self.wfile.write(HTML)
            return None
        start = int(ranged.removeprefix("bytes=").removesuffix("-")) if ranged else 0
        if kind == "changed" and self.headers.get("If-Range") != '"two"':
            start = 0
        if kind == "deaf":
            start = 0
        content = CONTENT[start:]
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"two"' if kind == "changed" else '"one"')
        if start:
            at = 0 if kind == "otherrange" else start
            self.send_header("Content-Range", f"bytes {at}-{len(CONTENT) - 1}/{len(CONTENT)}")
        length = len(content) + {"more": 5000, "less": -5000}.get(kind, 0)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if kind in ("cuts", "otherrange", "deaf", "changed") and type(self).cuts:
            type(self).cuts -= 1
            content = content[: len(content) // 2]
        if kind == "silent" and not start:
            self.wfile.write(content[:HALF])
            self.wfile.flush()
            time.sleep(0.6)
            self.close_connection = True
            return None
        if kind == "slow":
            for at in range(0, len(content), 40000):
                self.wfile.write(content[at : at + 40000])
                self.wfile.flush()
                time.sleep(0.05)
            return None
        self.wfile.write(content[: max(length, 0)])
        self.close_connection = True
        return None

    def redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def online(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    Server.asked, Server.cuts = [], 0


def get(url, target, digests=None, **options):
    return fetch.download(url, target, digests=digests, **{"attempts": 2, "patience": 0.3, "pause": 0.0} | options)


def left(folder):
    """What lies there, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("kind", ["good", "slow", "redirect"])
def test_a_file_comes_whole_and_leaves_nothing_beside_it(address, tmp_path, kind):
    file = get(f"{address}/{kind}/file.bin", tmp_path / "file.bin", {"sha256": SHA})
    assert file.read_bytes() == CONTENT
    assert left(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("kind", ["cuts", "silent"])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(address, tmp_path, kind):
    Server.cuts = 3
    file = get(f"{address}/{kind}/file.bin", tmp_path / "file.bin", {"sha256": SHA})
    assert file.read_bytes() == CONTENT
    assert Server.asked[0][1] is None
    assert Server.asked[1][1] == f"bytes={HALF}-"


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(address, tmp_path):
    Server.cuts = 10**6
    with pytest.raises(ConnectionError, match=r"2 times in a row; [\d,]+ bytes are kept in file.bin.part: the same"):
        get(f"{address}/cuts/file.bin", tmp_path / "file.bin", {"sha256": SHA}, attempts=2)
    assert not (tmp_path / "file.bin").exists()
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert kept > HALF
    Server.cuts, Server.asked = 0, []
    get(f"{address}/cuts/file.bin", tmp_path / "file.bin", {"sha256": SHA})
    assert Server.asked == [("/cuts/file.bin", f"bytes={kept}-")] or kept == len(CONTENT)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["deaf", "otherrange", "changed"])
def test_a_server_that_knows_no_ranges_or_another_file_is_asked_for_all_of_it(address, tmp_path, kind):
    Server.cuts = 1
    part = tmp_path / "file.bin.part"
    part.write_bytes(b"x" * 1000)
    notes = f'{{"url": "{address}/{kind}/file.bin", "tag": "\\"one\\"", "total": {len(CONTENT)}}}'
    (tmp_path / "file.bin.part.json").write_text(notes)
    get(f"{address}/{kind}/file.bin", tmp_path / "file.bin", {"sha256": SHA}, attempts=3)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_gone_on_with(address, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    get(f"{address}/good/file.bin", tmp_path / "file.bin")
    assert Server.asked == [("/good/file.bin", None)]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_length_that_is_too_large_is_no_whole_file(address, tmp_path):
    with pytest.raises(ConnectionError, match="the same command goes on"):
        get(f"{address}/more/file.bin", tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()


def test_a_length_that_is_too_small_is_seen_by_the_digest(address, tmp_path):
    with pytest.raises(ValueError, match=f"expected sha256 {SHA} for file.bin, found [0-9a-f]{{64}} in the 199,800"):
        get(f"{address}/less/file.bin", tmp_path / "file.bin", {"sha256": SHA})
    assert left(tmp_path) == []


def test_a_wrong_digest_leaves_nothing(address, tmp_path):
    with pytest.raises(ValueError, match="expected md5 0123 for file.bin, found .* they were deleted: try again"):
        get(f"{address}/good/file.bin", tmp_path / "file.bin", {"md5": "0123"})
    assert left(tmp_path) == []


def test_the_first_digits_of_a_digest_suffice_where_no_more_are_published(address, tmp_path):
    assert get(f"{address}/good/file.bin", tmp_path / "file.bin", {"sha256": SHA[:8]}).is_file()


def test_what_is_there_is_not_fetched_again_unless_its_digest_is_wrong(address, tmp_path):
    target = tmp_path / "file.bin"
    target.write_bytes(CONTENT)
    get(f"{address}/good/file.bin", target, {"sha256": SHA})
    assert Server.asked == []
    target.write_bytes(CONTENT[:100])
    get(f"{address}/good/file.bin", target, {"sha256": SHA})
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("round", "expected the file behind .*/round/file.bin, found Exceeded maximum allowed redirects"),
        ("ftp", "expected the file behind .*/ftp/file.bin, found"),
        ("gone", r"found status 404 \(Not Found\); see whether its publisher has moved it"),
        ("busy", "found HTTPStatusError .* 2 times in a row; 0 bytes are kept"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(address, tmp_path, kind, said):
    with pytest.raises(ConnectionError, match=said):
        get(f"{address}/{kind}/file.bin", tmp_path / "file.bin")
    assert "file.bin" not in left(tmp_path)


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_where_an_archive_is_expected_is_refused(address, tmp_path, kind):
    with pytest.raises(ValueError, match=f"expected a file behind {address}/{kind}/a.tar.gz, found a page .* browser"):
        get(f"{address}/{kind}/a.tar.gz", tmp_path / "a.tar.gz")
    assert [path for path, _ in Server.asked] == [f"/{kind}/a.tar.gz"]  # once: another attempt would bring the same
    assert left(tmp_path) == []


def test_a_page_that_a_redirect_leads_to_is_refused_and_what_had_come_is_kept(address, tmp_path):
    part, notes = tmp_path / "a.zip.part", tmp_path / "a.zip.part.json"
    part.write_bytes(CONTENT[:HALF])
    notes.write_text(f'{{"url": "{address}/login/a.zip", "tag": "\\"one\\"", "total": {len(CONTENT)}}}')
    with pytest.raises(ValueError, match="found a page that shows or asks something"):
        get(f"{address}/login/a.zip", tmp_path / "a.zip")
    assert [path for path, _ in Server.asked] == ["/login/a.zip", "/page/a.zip"]
    assert part.read_bytes() == CONTENT[:HALF] and not (tmp_path / "a.zip").exists()


VIEWERS = [
    "drive.google.com/file/d/1a2b/view", "drive.google.com/drive/folders/1a2b", "drive.google.com/open?id=1a2b",
    "docs.google.com/uc?id=1a2b", "www.dropbox.com/s/1a2b/a.zip?dl=0", "dropbox.com/scl/fi/1a2b/a.zip",
    "www.kaggle.com/c/siim-acr-pneumothorax-segmentation", "kaggle.com/datasets/a/b", "1drv.ms/u/s!1a2b",
    "onedrive.live.com/?id=1a2b", "mega.nz/file/1a2b", "pan.baidu.com/s/1a2b", "github.com/a/b/blob/main/a.zip",
    "huggingface.co/a/b/blob/main/a.bin", "WWW.KAGGLE.COM/c/a",
]  # fmt: skip


@pytest.mark.parametrize("viewer", VIEWERS)
def test_an_address_that_shows_a_page_about_a_file_is_never_asked(address, tmp_path, monkeypatch, viewer):
    """The loopback stands as a proxy: whatever is asked for comes to it."""
    monkeypatch.setenv("http_proxy", address)
    with pytest.raises(ValueError, match="found a page that shows or asks something; nothing was kept: open it in a"):
        get(f"http://{viewer}", tmp_path / "a.zip")
    assert Server.asked == [] and list(tmp_path.iterdir()) == []


def test_a_file_of_the_same_sites_is_asked_for(address, tmp_path, monkeypatch):
    """So the test above would see it if a page were."""
    monkeypatch.setenv("http_proxy", address)
    files = ["www.dropbox.com/s/1a2b/a.zip?dl=1", "huggingface.co/a/b/resolve/main/a.bin"]
    for number, file in enumerate(files):
        assert get(f"http://{file}", tmp_path / f"{number}").read_bytes() == CONTENT
    assert [path for path, _ in Server.asked] == [f"http://{file}" for file in files]


def test_no_network_is_a_sentence(tmp_path):
    with pytest.raises(ConnectionError, match="expected an answer from http://127.0.0.1:9/file, found ConnectError"):
        get("http://127.0.0.1:9/file", tmp_path / "file")


def test_nothing_is_asked_for_where_a_variable_forbids_it(address, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PermissionError, match="found HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE set; unset both"):
        get(f"{address}/good/file.bin", tmp_path / "file.bin")
    assert Server.asked == []


def test_a_disk_that_is_too_small_is_seen_before_a_byte_is_written(address, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(0, 0, 100_000))
    with pytest.raises(ValueError, match="expected room for 0.00 GB in .*, found 0.00 GB free; .* KT_DATA"):
        get(f"{address}/good/file.bin", tmp_path / "file.bin")
    assert left(tmp_path) == []


def test_a_disk_that_fills_up_keeps_what_has_come(address, tmp_path, monkeypatch):
    url, target = f"{address}/slow/file.bin", tmp_path / "file.bin"
    plain = io.FileIO

    class Full(plain):
        def write(self, chunk):
            if self.tell() > 50_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(chunk)

    monkeypatch.setattr(fetch.io, "FileIO", Full)
    with pytest.raises(ValueError, match="No space left on device.*the same command goes on from there"):
        get(url, target)
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    monkeypatch.setattr(fetch.io, "FileIO", plain)
    get(url, target, {"sha256": SHA})
    assert Server.asked[-1][1] == f"bytes={kept}-"
    assert target.read_bytes() == CONTENT


def test_two_processes_do_not_write_into_one_part(address, tmp_path):
    target = tmp_path / "file.bin"
    with (
        fetch._alone(tmp_path / "file.bin.part", target),
        pytest.raises(BlockingIOError, match="expected nobody else to fetch"),
    ):
        get(f"{address}/good/file.bin", target)


# -- archives -----------------------------------------------------------------------------------------
def tar(path, *members):
    with tarfile.open(path, "w:gz") as whole:
        for name, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            content = b"content" if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            whole.addfile(info, io.BytesIO(content))
    return path


def zipped(path, name, mode=0):
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("a/first.txt", "content")
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        whole.writestr(info, "/etc/passwd")
    return path


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_archives_arrive_whole(tmp_path):
    into = tmp_path / "data"
    plain = tar(tmp_path / "a.tar.gz", ("a", tarfile.DIRTYPE), ("a/b.txt", tarfile.REGTYPE))
    assert fetch.extract(plain, into) == [Path("a/b.txt")]
    assert fetch.extract(zipped(tmp_path / "b.zip", "c.txt"), into) == [Path("a/first.txt"), Path("c.txt")]
    assert everything(into) == ["a", "a/b.txt", "a/first.txt", "c.txt"]


OUT = [("../out.txt", "leads out"), ("/tmp/out.txt", "leads out"), ("a/../../out.txt", "leads out")]


@pytest.mark.parametrize(("name", "said"), OUT)
def test_no_path_leads_out(tmp_path, name, said):
    into = tmp_path / "in" / "data"
    bad = [
        tar(tmp_path / "a.tar.gz", ("fine.txt", tarfile.REGTYPE), (name, tarfile.REGTYPE)),
        zipped(tmp_path / "b.zip", name),
    ]
    for archive in bad:
        with pytest.raises(ValueError, match=said):
            fetch.extract(archive, into)
    assert everything(tmp_path / "in") == ["data"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_no_link_or_device_is_unpacked(tmp_path, kind):
    into = tmp_path / "data"
    with pytest.raises(ValueError, match="expected plain files in .*, found a link or device 'link'"):
        fetch.extract(tar(tmp_path / "a.tar.gz", ("fine.txt", tarfile.REGTYPE), ("link", kind)), into)
    assert everything(into) == []


def test_no_link_comes_out_of_a_zip(tmp_path):
    with pytest.raises(ValueError, match="found a link or device 'link'"):
        fetch.extract(zipped(tmp_path / "a.zip", "link", 0o120777), tmp_path / "data")
    assert everything(tmp_path / "data") == []


def test_a_link_that_lies_there_is_not_followed_out(tmp_path):
    into, outside = tmp_path / "data", tmp_path / "outside"
    into.mkdir()
    outside.mkdir()
    (into / "a").symlink_to(outside)
    with pytest.raises(ValueError, match="expected folders inside"):
        fetch.extract(tar(tmp_path / "a.tar.gz", ("a/b.txt", tarfile.REGTYPE)), into)
    assert everything(outside) == []


@pytest.mark.parametrize("keep", [0.5, 0.9])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_half_archive_leaves_nothing(tmp_path, kind, keep):
    noise = tmp_path / "noise.bin"
    noise.write_bytes(os.urandom(100_000))
    whole = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(whole, "w") as archive:
            archive.write(noise, "noise.bin")
    else:
        with tarfile.open(whole, "w:gz") as archive:
            archive.add(noise, "noise.bin")
    whole.write_bytes(whole.read_bytes()[: int(keep * whole.stat().st_size)])
    with pytest.raises(ValueError, match="expected a whole zip or tar in .*delete it and get it again"):
        fetch.extract(whole, tmp_path / "data")
    assert everything(tmp_path / "data") == []


def test_an_archive_that_needs_more_room_than_there_is_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(0, 0, 10))
    for archive in (tar(tmp_path / "a.tar.gz", ("a", tarfile.REGTYPE)), zipped(tmp_path / "b.zip", "b")):
        with pytest.raises(ValueError, match="expected room for"):
            fetch.extract(archive, tmp_path / "data")
    assert everything(tmp_path / "data") == []
