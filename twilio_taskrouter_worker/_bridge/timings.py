"""The time limits of a Worker, as one record that is passed in. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

__all__ = ["Timings"]


@attrs.frozen(kw_only=True)
class Timings:
    """Times in seconds. The defaults are the library's; tests hand in others."""

    handshake: float = 10.0
    """For one attempt to connect as a whole: the name, TCP, a proxy, TLS, and the upgrade."""

    close_timeout: float = 0.5
    """How long the peer may take to answer our close frame before the socket is simply closed."""

    silence: float = 30.0
    """Without any frame for this long the connection counts as lost; the service sends one every 15 s."""

    backoff_min: float = 0.8
    backoff_max: float = 30.0
    """A delay is uniform between ``backoff_min`` and ``2**k - 1``, at most ``backoff_max`` and at least 1 s at the top;
    k counts the attempts since the worker was last ready."""

    expiry_lead: float = 5.0
    """``token_expired`` fires this long before the token's end, as in the JS SDK."""

    warning_share: float = 0.2
    warning_max: float = 300.0
    """``token_will_expire`` fires, and the first renewal starts, when this share of the token's time is left, but not
    earlier than ``warning_max`` before its end."""

    renewal_retry: float = 5.0
    renewal_retry_max: float = 60.0
    """A failed renewal is tried again after ``renewal_retry``, doubled at each failure up to ``renewal_retry_max``."""

    renewal_pause: float = 1.0
    """A token that would have to be renewed this soon after it came counts as a failed renewal."""

    token_patience: float = 5.0
    """Time for ``update_token()`` before the connection ends for lack of a token (``run_forever()``)."""

    provider_patience: float = 300.0
    """How long the provider of a worker that was never ready may be without a usable token."""

    clock_tolerance: float = 2.0
    """A smaller difference between this machine's clock and the service's is taken for the network's delay."""

    lock_check: float = 0.5
    """Between two attempts to get the lock of ``single``."""

    linger: float = 5.0
    """How long events of a task still count after its reservation ended, as in the JS SDK."""

    retry_first: float = 0.5
    retry_max: float = 15.0
    """A call of ``serve`` whose outcome is unknown is retried after ``retry_first``, doubled up to ``retry_max``."""

    reject_pause: float = 1.0
    reject_pause_max: float = 60.0
    """A task whose handler failed repeatedly is returned to its queue after ``reject_pause``, doubled up to
    ``reject_pause_max``."""

    activity_lead: float = 1.0
    """A timeout of a reservation may be announced this long after the change of activity that it caused."""

    random: Callable[[], float] = random.random
    """Jitter: a number from 0 up to 1."""

    def delay(self, attempts: int) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            attempts: Number of failed attempts.

        Returns:
            The delay, with jitter.
        """
        # The exponent is bounded, as a float overflows at 2 ** 1024.
        top = max(1.0, min(self.backoff_max, 2.0 ** min(attempts, 10) - 1))
        return self.backoff_min + (top - self.backoff_min) * self.random()
