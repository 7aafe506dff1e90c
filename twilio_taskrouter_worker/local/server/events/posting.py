"""The webhook client: posts a signed form, with limits of time and size, and returns the answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import attrs
from yarl import URL

from ...._version import __version__
from .resolver import DaemonResolver

ANSWER_SECONDS = 15.0
"""How long a webhook may take, from the first byte sent to the last one read."""
ANSWER_BYTES = 64 * 1024
"""The longest answer in bytes; no valid instruction is longer."""
AT_ONCE = 50
"""How many requests to one URL may be in progress; further ones wait, and their time limit starts with their turn."""
AT_ONCE_IN_ALL = 200
"""The same for all URLs together."""

SIGNATURE = "X-Twilio-Signature"
_USER_AGENT = f"twilio_taskrouter_worker/{__version__}"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_LEGAL = re.compile(r"[!#-;=?-\[\]_a-z~]+", re.ASCII)
"""The characters that a request line may contain unescaped."""
_FAILURES = (aiohttp.ClientError, OSError, ValueError)
"""The exceptions of a failed request."""


class NotDelivered(Exception):
    """There was no answer; the text has the reason, without confidential parts of the URL."""


@attrs.frozen
class Reply:
    """The answer of a webhook."""

    status: int
    content_type: str
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Posted:
    """A webhook that was posted, and its outcome."""

    url: str = attrs.field(repr=False)
    """Without user and password."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    form: bytes = attrs.field(repr=False)
    seconds: float
    """How long it took, in real time."""
    reply: Reply | None = None
    problem: str | None = None
    """Why there is no reply."""


def signature(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    """Return the ``X-Twilio-Signature`` of a form that is posted to a URL.

    Args:
        auth_token: The account's auth token, which is the key.
        url: The URL as the receiver sees it.
        params: The form.
    """
    # Twilio's scheme: the URL, then names and values in the order of the names, without separators.
    text = url + "".join(name + params[name] for name in sorted(params))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def one_line(text: str) -> str:
    """Return a foreign text for a log: escaped, so that it cannot start a line of its own.

    Args:
        text: The text.
    """
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def shown(url: str) -> str:
    """Return a URL for a log: without user, password and query, and on one line.

    Args:
        url: The URL.
    """
    # By hand, not with a parser: it must not raise for any text, since it runs while a failure is logged.
    url = one_line(url)
    scheme, slashes, rest = url.partition("#")[0].partition("://")
    path, mark, _ = (rest if slashes else scheme).partition("?")
    authority, slash, below = path.partition("/")
    shown_path = f"{authority.rpartition('@')[2]}{slash}{below}" + ("?..." if mark else "")
    return f"{scheme}://{shown_path}" if slashes else shown_path


class _Slots:
    """Limits the number of requests in progress, per URL and in all. A URL that hangs does not delay other URLs."""

    def __init__(self) -> None:
        self._in_all = asyncio.Semaphore(AT_ONCE_IN_ALL)
        self._of: dict[str, tuple[asyncio.Semaphore, list[None]]] = {}
        """For each URL in use its slots, and an item for each request that has one or waits for one."""

    @asynccontextmanager
    async def one(self, url: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for the ``with`` block."""
        semaphore, users = self._of.setdefault(url, (asyncio.Semaphore(AT_ONCE), []))
        # Counted before the wait: the entry of a URL may only be removed when no request uses or awaits it.
        users.append(None)
        try:
            # Its own slot first: requests that wait for a hanging URL then hold none of the common slots.
            async with semaphore, self._in_all:
                yield
        finally:
            users.pop()
            if not users:
                del self._of[url]


class WebhookClient:
    """Posts forms, signed with the account's token. Belongs to its loop's thread.

    Redirects are not followed (the signature would not fit the new address) and proxies are not used.
    """

    def __init__(self, auth_token: str) -> None:
        self._auth_token = auth_token
        self._client: aiohttp.ClientSession | None = None
        self._slots = _Slots()
        self.seen: Callable[[Posted], None] | None = None
        """Called with each webhook that was posted; None: nobody records them."""

    async def post(self, url: str, params: Mapping[str, str]) -> Reply:
        """Post a form and return the answer, whatever its status.

        Args:
            url: The URL, which may have user and password.
            params: The form.

        Raises:
            NotDelivered: There was no answer within the limits.
        """
        target, signed = _address(url)
        client = self._begin()
        # Without the query, which may differ for each request to the same receiver.
        async with self._slots.one(signed.partition("?")[0]):
            try:
                headers = {
                    "Content-Type": _FORM,
                    "User-Agent": _USER_AGENT,
                    SIGNATURE: signature(self._auth_token, signed, params),
                }
                form = urlencode(params).encode()
            except _FAILURES as error:
                raise NotDelivered(_reason(error)) from error
            begun = asyncio.get_running_loop().time()
            reply, problem = None, None
            try:
                # One limit for everything, so aiohttp's own is off.
                reply = await asyncio.wait_for(_post(client, target, form, headers), ANSWER_SECONDS)
                return reply
            except asyncio.TimeoutError:
                problem = f"no answer within {ANSWER_SECONDS:g} s"
                raise NotDelivered(problem) from None
            except NotDelivered as failure:
                problem = str(failure)
                raise
            except _FAILURES as error:
                problem = _reason(error)
                raise NotDelivered(problem) from error
            finally:
                if self.seen is not None:
                    seconds = asyncio.get_running_loop().time() - begun
                    self.seen(Posted(signed, headers, form, seconds, reply, problem))

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _begin(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                # A peer may close a kept-alive connection just when a form is sent, and then it would be unknown
                # whether the form was read.
                connector=aiohttp.TCPConnector(limit=AT_ONCE_IN_ALL, force_close=True, resolver=DaemonResolver()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._client


async def _post(client: aiohttp.ClientSession, target: URL, form: bytes, headers: dict[str, str]) -> Reply:
    async with client.post(target, data=form, headers=headers, allow_redirects=False) as response:
        # Read in pieces: the answer's length is not known before, and its own header could be wrong.
        body = bytearray()
        async for chunk in response.content.iter_chunked(8192):
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise NotDelivered(f"its answer is longer than {ANSWER_BYTES} bytes")
        return Reply(response.status, response.content_type, bytes(body))


def _address(url: str) -> tuple[URL, str]:
    """Return the URL to post to, and the URL to sign: as the receiver sees it, without user and password."""
    try:
        # A valid URL is used unchanged: the receiver computes the signature from exactly this text.
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
        return "its parameters are not valid Unicode text"
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
        return "its answer is incomplete, or not HTTP"
    # The error of the system inside of aiohttp's, such as "Connection refused".
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or type(error).__name__
