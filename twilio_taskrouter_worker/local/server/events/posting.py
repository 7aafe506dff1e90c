"""One webhook request: a signed form, sent with a limit of time and size, and what came back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlencode

import aiohttp
import attrs
from yarl import URL

from ...._version import __version__
from .names import DaemonResolver

ANSWER_SECONDS: Final = 15.0
"""How long a webhook may take, from the first byte sent to the last one read."""
ANSWER_BYTES: Final = 64 * 1024
"""What is read of an answer; none that means something is longer."""
AT_ONCE: Final = 50
"""How many requests to one URL may be under way; further ones wait, and their seconds begin when it is their turn."""
AT_ONCE_IN_ALL: Final = 200
"""The same for all URLs together."""

SIGNATURE: Final = "X-Twilio-Signature"
_USER_AGENT = f"twilio_taskrouter_worker/{__version__}"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_LEGAL = re.compile(r"[!#-;=?-\[\]_a-z~]+", re.ASCII)
"""What may stand in a request line as it is."""
_FAILURES = (aiohttp.ClientError, OSError, ValueError)
"""What a request that nothing comes of may raise."""


class NotDelivered(Exception):
    """There was no answer; the text says why, without anything secret of the URL."""


@attrs.frozen
class Reply:
    """What a webhook has answered."""

    status: int
    content_type: str
    body: bytes = attrs.field(repr=False)


def signature(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    """Return what Twilio puts in ``X-Twilio-Signature`` for a form that is posted to a URL."""
    text = url + "".join(name + params[name] for name in sorted(params))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def one_line(text: str) -> str:
    """Return a text of somebody else's as it may stand in a log: it cannot begin a line of its own."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def shown(url: str) -> str:
    """Return a URL as it may stand in a log: without user, password and query, and on one line."""
    url = one_line(url)
    scheme, slashes, rest = url.partition("#")[0].partition("://")
    path, mark, _ = (rest if slashes else scheme).partition("?")
    authority, slash, below = path.partition("/")
    shown_path = f"{authority.rpartition('@')[2]}{slash}{below}" + ("?..." if mark else "")
    return f"{scheme}://{shown_path}" if slashes else shown_path


class _Slots:
    """Limits how many requests are under way, for each URL and in all. A URL that hangs does not hold up the others."""

    def __init__(self) -> None:
        self._in_all = asyncio.Semaphore(AT_ONCE_IN_ALL)
        self._of: dict[str, tuple[asyncio.Semaphore, list[None]]] = {}
        """For each URL in use its slots, and an item for each request that has or wants one."""

    @asynccontextmanager
    async def one(self, url: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it in a ``with`` block."""
        semaphore, users = self._of.setdefault(url, (asyncio.Semaphore(AT_ONCE), []))
        users.append(None)
        try:
            async with semaphore, self._in_all:
                yield
        finally:
            users.pop()
            if not users:
                del self._of[url]


class Poster:
    """Posts forms, signed with the account's token. Belongs to its loop's thread.

    Redirects are not followed (the signature would not fit the new address) and proxies are not used.
    """

    def __init__(self, auth_token: str) -> None:
        self._auth_token = auth_token
        self._client: aiohttp.ClientSession | None = None
        self._slots = _Slots()

    async def post(self, url: str, params: Mapping[str, str]) -> Reply:
        """Post a form and return the answer, whatever its status.

        Raises:
            NotDelivered: there was none within the limits.
        """
        target, signed = _address(url)
        client = self._begin()
        async with self._slots.one(signed.partition("?")[0]):
            try:
                headers = {
                    "Content-Type": _FORM,
                    "User-Agent": _USER_AGENT,
                    SIGNATURE: signature(self._auth_token, signed, params),
                }
                return await asyncio.wait_for(
                    _post(client, target, urlencode(params).encode(), headers), ANSWER_SECONDS
                )
            except asyncio.TimeoutError:
                raise NotDelivered(f"no answer within {ANSWER_SECONDS:g} s") from None
            except _FAILURES as error:
                raise NotDelivered(_reason(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _begin(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                # A connection kept alive may be closed by its peer just when a form is on its way, and nobody could
                # tell whether the form was read.
                connector=aiohttp.TCPConnector(limit=AT_ONCE_IN_ALL, force_close=True, resolver=DaemonResolver()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._client


async def _post(client: aiohttp.ClientSession, target: URL, form: bytes, headers: dict[str, str]) -> Reply:
    async with client.post(target, data=form, headers=headers, allow_redirects=False) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(8192):
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise NotDelivered(f"its answer is longer than {ANSWER_BYTES} bytes")
        return Reply(response.status, response.content_type, bytes(body))


def _address(url: str) -> tuple[URL, str]:
    """Return where to post, and the same as it is signed: as the receiver sees it, without user and password."""
    try:
        # What is a URL already is used letter by letter, since that is what the receiver compares with.
        target = URL(url, encoded=_LEGAL.fullmatch(url) is not None)
        if target.scheme not in ("http", "https") or not target.raw_host:
            raise ValueError
        authority = target.raw_authority.rpartition("@")[2]
        return target, f"{target.scheme}://{authority}{target.raw_path_qs}"
    except ValueError:
        raise NotDelivered("it is not an http or https URL") from None


def _reason(error: Exception) -> str:
    # Texts of the library quote the URL, which may hold a password.
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection without an answer"
    if isinstance(error, UnicodeEncodeError):
        return "what it is to be told is not Unicode text"
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
        return "its answer is not whole, or not HTTP"
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or type(error).__name__
