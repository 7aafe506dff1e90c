"""The switches of the service around the engine. The meaning of a journal does not depend on them."""

from __future__ import annotations

import attrs


def _close_code(rules: object, attribute: object, value: int) -> None:
    if value != 1000 and not 3000 <= value <= 4999:
        raise ValueError(f"replaced_session_close_code must be 1000 or from 3000 to 4999, not {value!r}")


@attrs.frozen(kw_only=True, slots=False)  # slots could not be joined with those of the engine's rules
class ServiceRules:
    """The switches of REST, the event bridge and its sessions; they are not kept in a file."""

    workers_may_read: bool = False
    """A token with role ``worker`` may list and fetch the workspace's resources (workers, queues, any task), like
    supervisors."""

    replaced_session_close_code: int = attrs.field(default=4001, validator=_close_code)
    """The close code of a session that ``closeExistingSessions`` of a newer one ended: 1000 or 3000 to 4999."""

    expired_session_grace: float | None = 5.0
    """Seconds until a session is closed after its token has expired, so that a client whose clock is a little late can
    still renew it. None: it is not closed when its token expires."""

    sessions_per_worker: int | None = 20
    """How many websockets of a worker may be open; a further handshake is refused with status 429. None: any number."""

    etag_quoted: bool = True
    """Whether an ``ETag`` is the version in quotes, as HTTP has it, or bare. ``If-Match`` takes both."""

    forbidden_code: int = 20403
    """Twilio's code in an answer with status 403 to what a token's role or workspace does not allow: 20403 or 20003."""


DEFAULT_SERVICE_RULES = ServiceRules()
"""Every switch at its default."""
