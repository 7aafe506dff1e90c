"""The files of the console's page, which are part of this package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from importlib.abc import Traversable

TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
"""Content types by the ending of a file's name; files with another ending are not served."""

INDEX = "index.html"


@attrs.frozen
class PageFile:
    """One file of the page."""

    content_type: str
    etag: str
    body: bytes = attrs.field(repr=False)


@lru_cache(maxsize=1)
def page() -> Mapping[str, PageFile]:
    """Return the files by their path below the page's folder, such as ``views/now.js``. Reads them at the first call.

    A path that a client sends is only looked up here, so that it cannot lead to another file.
    """
    # importlib.resources, because a package may be imported from a zip file.
    return dict(_below(files(__name__.rpartition(".")[0]).joinpath("page"), ""))


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, PageFile]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _below(entry, f"{path}/")
        elif (content_type := TYPES.get(entry.name.rpartition(".")[2])) is not None:
            body = entry.read_bytes()
            yield path, PageFile(content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"', body)


CLOSED_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Local TaskRouter: console</title><h1>The console must be opened with its link</h1>"
    "<p>{reason}</p><p>The link is printed by <code>taskrouter local</code> when it starts; in Python"
    " <code>router.console_url</code> has it. Keep it to yourself: it opens this TaskRouter.</p></html>"
)
"""For a browser that has not opened the link; ``reason`` goes into it."""

FORWARD_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={path}">'
    "<title>Local TaskRouter: console</title></html>"
)
"""Leads on to ``path``, as a step of this origin."""
