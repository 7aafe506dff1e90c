"""When a token ends, and what has to be done before it does. Pure.

**Invariant.** ``ends_at`` is the end by the *service's* clock, on the monotonic clock of this process. A token names
its end as a wall clock's time (``exp``), and this machine's clock may be wrong; the service's ``init`` says how long
the token of that connection has left. Where both are known, their difference corrects the ends of this token and of
those to come. Until then the own clock is believed as far as it announces an end, but not where it calls a token
expired: that is for the service to say, by refusing it.
"""

from __future__ import annotations

from .timings import Timings

__all__ = ["TokenLife"]


class TokenLife:
    """The token in use: its end, and when to warn, to renew and to announce it. Times are monotonic seconds."""

    def __init__(self, timings: Timings, renews: bool) -> None:
        self._timings = timings
        self._renews = renews
        self.token = ""
        self.tried = ""
        """The token of the latest connection, or of the one under way."""
        self.ends_at: float | None = None
        self.expired = False
        """Whether the end was announced."""
        self.warn_at: float | None = None
        self.renew_at: float | None = None
        # The token's own ``exp`` on the monotonic clock, as this machine's wall clock converts it.
        self._claimed: float | None = None
        # The same of ``tried``, to which the lifetime in ``init`` belongs.
        self._tried_claimed: float | None = None
        # Seconds to add to a claimed end; None until an ``init`` has shown them.
        self._skew: float | None = None
        self._failures = 0
        # When a refused request last had the provider asked.
        self._asked_at: float | None = None

    @property
    def expires_at(self) -> float | None:
        """Time at which the expiry is to be announced; None if it is not known, or was announced."""
        return None if self.ends_at is None or self.expired else self.ends_at - self._timings.expiry_lead

    @property
    def known_end(self) -> float | None:
        """The best known expiry time, even if only the local clock says that it has passed."""
        if self.ends_at is not None or self._claimed is None:
            return self.ends_at
        return self._claimed + (self._skew or 0.0)

    # -- what happens to it ----------------------------------------------------------------------------------------

    def start(self, token: str, claimed: float | None, now: float) -> None:
        """Use this token.

        Args:
            token: The token.
            claimed: Its expiry time by the local clock; None if the token does not contain it.
            now: The current time.
        """
        self.token, self._claimed = token, claimed
        self._failures = 0
        if claimed is not None and self._skew is not None:
            self._set(claimed + self._skew, now)
        elif claimed is not None and claimed > now:
            self._set(claimed, now)
        else:
            # Unknown, or past by the own clock: only the service can call it expired.
            self._set(None, now)

    def renew(self, token: str, claimed: float | None, now: float) -> None:
        """Replace the token.

        Args:
            token: The new token.
            claimed: Its expiry time by the local clock; None if the token does not contain it.
            now: The current time.
        """
        failures = self._failures
        self.start(token, claimed, now)
        if self.renew_at is not None and self.renew_at < now + self._timings.renewal_pause:
            # As good as ended: a provider that keeps giving such tokens must not be asked without pause.
            self._failures = failures
            self.renewal_failed(now)

    def connecting(self) -> str:
        """Return the token, noting that a connection uses it."""
        self.tried, self._tried_claimed = self.token, self._claimed
        return self.token

    def greeted(self, lifetime: float | None, now: float) -> None:
        """``init`` came: correct the expiry time by the service's clock.

        Args:
            lifetime: Seconds that the token of this connection is still valid; None if ``init`` does not contain it.
            now: The current time.
        """
        if lifetime is None:
            return
        if self._tried_claimed is not None:
            skew = now + lifetime - self._tried_claimed
            self._skew = skew if abs(skew) > self._timings.clock_tolerance else 0.0
        if self._claimed is not None:
            self._correct(self._claimed + (self._skew or 0.0), now)
        else:
            # Of another token than that of this connection, given meanwhile, it is the best guess there is.
            self._correct(now + lifetime, now)

    def renewal_failed(self, now: float) -> float:
        """Schedule the next call of the provider, with growing delay and jitter.

        Args:
            now: The current time.

        Returns:
            Seconds until then.
        """
        timings = self._timings
        self._failures += 1
        if self.token:
            delay = min(timings.renewal_retry_max, timings.renewal_retry * 2.0 ** min(self._failures - 1, 10))
            delay *= 0.8 + 0.4 * timings.random()
        else:
            # Nothing works without a first token, so it is asked for as often as a connection would be tried.
            delay = timings.delay(self._failures)
        self.renew_at = now + delay
        return delay

    def refused(self, refusals: int, now: float) -> bool:
        """The service refused the token.

        Args:
            refusals: Number of refusals in a row, this one included.
            now: The current time.

        Returns:
            Whether to ask for another token at once; otherwise it is scheduled.
        """
        self.renew_at = None
        if refusals == 1:
            return True
        # So that the delay grows with the refusals: ``renewal_failed`` adds one.
        self._failures = refusals - 2
        self.renewal_failed(now)
        return False

    def ask_early(self, token: str, now: float) -> bool:
        """A request was refused for a token.

        Args:
            token: The refused token.
            now: The current time.

        Returns:
            Whether to ask for another one at once.
        """
        recently = self._asked_at is not None and now - self._asked_at < self._timings.renewal_retry
        # The refusal of an earlier token does not concern this one, and many requests may be refused at once.
        if not self._renews or token != self.token or recently:
            return False
        self._asked_at, self.renew_at = now, None
        return True

    def forget(self) -> None:
        """Clear all deadlines."""
        self.warn_at = self.renew_at = self.ends_at = None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _correct(self, ends_at: float, now: float) -> None:
        # Each connection's init reports it again, a little later or earlier: no reason for another warning.
        if self.ends_at is None or abs(ends_at - self.ends_at) > self._timings.clock_tolerance:
            self._set(ends_at, now)

    def _set(self, ends_at: float | None, now: float) -> None:
        timings = self._timings
        self.ends_at = ends_at
        self.expired = False
        self.warn_at = self.renew_at = None
        if ends_at is None:
            return
        left = max(0.0, ends_at - now)
        # Not later than the announcement of the expiry itself.
        lead = max(min(timings.warning_max, timings.warning_share * left), timings.expiry_lead)
        if left - timings.expiry_lead > 0:
            self.warn_at = ends_at - lead
        if self._renews:
            # Jitter: many workers started together must not ask for their tokens together.
            self.renew_at = max(now, ends_at - lead * (1.0 + 0.5 * timings.random()))
