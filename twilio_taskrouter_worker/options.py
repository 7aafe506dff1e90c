"""The options of clients: their checks and defaults, and the addresses they lead to."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

import attrs

from . import _checks
from ._local_url import LOCAL_KEY, LOCAL_URL, local_url
from .activity import Activity, check_activity
from .observer import Observer
from .single import Single
from .tokens import signing_key

__all__ = ["LOG_LEVELS", "LogLevel", "Options", "bridge_urls", "set_log_level"]

LogLevel = Literal["trace", "debug", "info", "warn", "error", "silent"]

LOG_LEVELS: dict[str, int] = {
    # Below DEBUG; logging itself has no such level.
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    # Above every level of logging.
    "silent": logging.CRITICAL + 10,
}
"""The JS SDK's names and the levels of :mod:`logging` they stand for."""

BRIDGE_PATH = "/v1/wschannels"
"""Path of the event bridge, Twilio's and the local one's."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)


def _host_part(name: str, value: object) -> str:
    """One label of a host name; empty: none."""
    part = _checks.string(name, value)
    # It becomes part of a host name, and nothing in it may lead to another host.
    if part and not _LABEL.fullmatch(part):
        raise ValueError(f"{name} must be one part of a host name, e.g. 'ie1', not {part!r}")
    return part


_string = _checks.validator(_checks.string)
_optional_string = _checks.validator(_checks.optional(_checks.string))
_boolean = _checks.validator(_checks.boolean)
_optional_boolean = _checks.validator(_checks.optional(_checks.boolean))
_level = _checks.validator(_checks.optional(_checks.one_of(*LOG_LEVELS)))
_seconds = _checks.validator(_checks.seconds)
_optional_provider = _checks.validator(
    _checks.optional(
        lambda name, value: _checks.function(name, value, "a function without arguments that returns a token")
    )
)
_optional_host_part = _checks.validator(_checks.optional(_host_part))


_optional_activity = _checks.validator(_checks.optional(check_activity))


def _observer(name: str, value: object) -> Observer:
    if not isinstance(value, Observer):
        raise _checks.wrong_type(name, "an Observer", value)
    return value


def _single(value: str | os.PathLike[str] | Single | None) -> Single | None:
    return value if value is None or isinstance(value, Single) else Single(value)


@attrs.frozen(kw_only=True)
class Options:
    """All options of a client, checked; see :class:`~twilio_taskrouter_worker.Worker` for what they mean."""

    connect_activity: str | Activity | None = attrs.field(default=None, validator=_optional_activity)
    connect_activity_sid: str = attrs.field(default="", validator=_string)
    close_existing_sessions: bool = attrs.field(default=False, validator=_boolean)
    set_worker_offline_if_disconnected: bool | None = attrs.field(default=None, validator=_optional_boolean)
    enable_version_check: bool = attrs.field(default=False, validator=_boolean)
    log_level: LogLevel | None = attrs.field(default=None, validator=_level)
    region: str | None = attrs.field(default=None, validator=_optional_host_part)
    edge: str | None = attrs.field(default=None, validator=_optional_host_part)
    eb_server: str | None = attrs.field(default=None, validator=_optional_string)
    ws_server: str | None = attrs.field(default=None, validator=_optional_string)
    return_to_activity: str | Activity | None = attrs.field(default=None, validator=_optional_activity)
    token_provider: Callable[[], str] | None = attrs.field(default=None, validator=_optional_provider)
    request_timeout: float = attrs.field(default=15.0, validator=_seconds)
    report_unawaited: bool = attrs.field(default=False, validator=_boolean)
    single: Single | None = attrs.field(default=None, converter=_single)
    observer: Observer | None = attrs.field(default=None, validator=_checks.validator(_checks.optional(_observer)))

    def __attrs_post_init__(self) -> None:
        if self.connect_activity is not None and self.connect_activity_sid:
            raise ValueError("connect_activity and connect_activity_sid are two forms of one option: give one of them")

    def urls(self, token: str | None = None) -> tuple[str, str]:
        """Return the addresses for HTTP and for the websocket: as given, of a local TaskRouter, or Twilio's.

        Args:
            token: The client's first token; None if it is not known yet.

        Raises:
            ValueError: An address, or the environment variable TASKROUTER_LOCAL_URL, is invalid, or the token is one
                for a local TaskRouter and there is no address of one.
        """
        eb_server = self.eb_server
        # The environment is the last resort: any option that names a service wins.
        if not (eb_server or self.ws_server or self.region or self.edge) and (url := local_url()):
            eb_server = f"{url}{BRIDGE_PATH}"
        # Twilio could only refuse it, as it does not have the key.
        if token and not (eb_server or self.ws_server) and signing_key(token).startswith(LOCAL_KEY):
            raise ValueError(
                "The token is for a local TaskRouter, and no address of one is given: pass eb_server and ws_server "
                f"(**router.connection has both), or set {LOCAL_URL}, for example to http://127.0.0.1:4100"
            )
        return bridge_urls(self.region, self.edge, eb_server, self.ws_server)


def bridge_urls(region: str | None, edge: str | None, eb_server: str | None, ws_server: str | None) -> tuple[str, str]:
    """Compose the addresses of the event bridge, for HTTP and for the websocket.

    The host is composed of edge and region as in version 0.7.1 of the JS SDK, except that the region ``us1`` alone is
    omitted, as in later versions.

    Args:
        region: Twilio region; None omits it.
        edge: Twilio edge; None omits it.
        eb_server: Address for HTTP, which overrides region and edge; None derives it.
        ws_server: Address for the websocket, which overrides region and edge; None derives it. If only one of the two
            is given, the other is the same address with the corresponding scheme.

    Returns:
        The address for HTTP and the address for the websocket.

    Raises:
        ValueError: An address is invalid.
    """
    if eb_server or ws_server:
        eb = _checked("eb_server", eb_server, "http", "https") if eb_server else None
        ws = _checked("ws_server", ws_server, "ws", "wss") if ws_server else None
        return eb or "http" + str(ws)[2:], ws or "ws" + str(eb)[4:]
    if edge:
        warnings.warn(
            "The option edge was withdrawn by Twilio with version 0.7.2 of the JS SDK; a host composed with "
            "it may no longer exist. Use region",
            DeprecationWarning,
            # The line that makes the client: it calls ``__init__``, that ``urls``, and that this.
            stacklevel=4,
        )
    if region == "us1" and not edge:
        region = None
    # Added, not formatted, which would give the name of a member where an Enum is a subclass of str.
    host = "".join("." + part for part in (edge, region) if part)
    return f"https://event-bridge{host}.twilio.com{BRIDGE_PATH}", f"wss://event-bridge{host}.twilio.com{BRIDGE_PATH}"


def _checked(name: str, url: str, *schemes: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in schemes or not rest.strip("/"):
        raise ValueError(
            f"{name} must be a URL that starts with {' or '.join(f'{each}://' for each in schemes)}, not {url!r}"
        )
    try:
        # Reading it is what checks it.
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"{name} must have a port from 0 to 65535, or none, not {url!r}") from error
    return url


def set_log_level(name: LogLevel | None) -> None:
    """Set the level of the package's logger, unless the application has set one.

    The local service keeps its level: a client in the same process must not silence the service's warnings.

    Args:
        name: A name of ``LOG_LEVELS``; None changes nothing.
    """
    global _level_set
    if name is None:
        return
    package = logging.getLogger(__package__)
    service = logging.getLogger(f"{__package__}.local")
    if service.level == logging.NOTSET:
        service.setLevel(package.getEffectiveLevel())
    # Any other level was set by the application.
    if package.level in (logging.NOTSET, _level_set):
        _level_set = LOG_LEVELS[name]
        package.setLevel(_level_set)


# The level that this module has set last.
_level_set = logging.NOTSET
