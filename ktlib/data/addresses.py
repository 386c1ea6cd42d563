"""What is known of an address before anybody asks it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

# Sites that show a page about a file at these paths; fetched without a browser, the page is saved in the file's place.
_PAGES = {
    "drive.google.com": ("/file/", "/drive/", "/open"),
    "docs.google.com": ("/",),
    "1drv.ms": ("/",),
    "onedrive.live.com": ("/",),
    "www.kaggle.com": ("/",),
    "kaggle.com": ("/",),
    "mega.nz": ("/",),
    "pan.baidu.com": ("/",),
}
_SHOWN = {"github.com": "/blob/", "huggingface.co": "/blob/"}  # in the middle of a path


def shows_a_page(url: str) -> bool:
    """Whether an address shows a page about a file, where a person presses a button, and not the file.

    Args:
        url: an address that begins with http:// or https://.

    Returns:
        Whether it is one of the kinds that are known: Google Drive, OneDrive, Dropbox, Kaggle, MEGA, Baidu, and
        what GitHub and the hub show of a file. False says nothing: the answer may still be a page.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if host in ("dropbox.com", "www.dropbox.com"):
        return parse_qs(parts.query).get("dl") != ["1"]
    return parts.path.startswith(_PAGES.get(host, ())) or _SHOWN.get(host, "\0") in parts.path
