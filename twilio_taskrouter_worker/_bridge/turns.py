"""The order of calls. Pure.

Invariant: of two calls that share a subject, the one that entered first leaves first, and a call may go once every
call it shares a subject with and that entered before has left. A call stands in the line of each of its subjects, so
it may have to wait for several others; since it enters all lines in one step, no two calls wait for each other.

A call that ends while it waits (cancelled, expired) keeps its place until the calls before it have left: those behind
it would otherwise overtake them.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Turn", "Turns"]


class Turn:
    """One call's place in the lines of its subjects."""

    __slots__ = ("ahead", "behind", "left", "subjects")

    def __init__(self) -> None:
        self.subjects: tuple[str, ...] = ()
        self.ahead = 0
        """Number of calls it waits for; at 0 it may be sent."""
        self.behind: list[Turn] = []
        self.left = False


class Turns:
    """The lines of all subjects. Not thread-safe: the caller holds a lock."""

    def __init__(self) -> None:
        # The last call of each line that is not empty.
        self._last: dict[str, Turn] = {}

    def __len__(self) -> int:
        """Number of subjects with a call under way."""
        return len(self._last)

    def enter(self, turn: Turn, subjects: tuple[str, ...]) -> list[Turn]:
        """Take a place in the line of each subject.

        Args:
            turn: The call's place, new.
            subjects: The subjects; may be empty.

        Returns:
            The places it has to wait for; empty if the call may be sent at once.
        """
        turn.subjects = subjects
        ahead: list[Turn] = []
        for subject in subjects:
            before = self._last.get(subject)
            if before is not None and before is not turn:
                before.behind.append(turn)
                turn.ahead += 1
                ahead.append(before)
            # In one step with the above, under the caller's lock: lines entered one by one could make two calls wait
            # for each other.
            self._last[subject] = turn
        return ahead

    def leave(self, turn: Turn) -> Iterable[Turn]:
        """Remove a call that has ended. Idempotent.

        Args:
            turn: The call's place.

        Returns:
            The places whose calls may be sent now.
        """
        if turn.left:
            return ()
        turn.left = True
        # It keeps its place: removing it now would let the calls behind it overtake those it waits for.
        if turn.ahead:
            return ()
        may_go: list[Turn] = []
        # A loop and no recursion: thousands of calls that expired in line may follow each other.
        gone = [turn]
        while gone:
            each = gone.pop()
            for subject in each.subjects:
                if self._last.get(subject) is each:
                    del self._last[subject]
            for follower in each.behind:
                follower.ahead -= 1
                if follower.ahead == 0:
                    (gone if follower.left else may_go).append(follower)
            each.behind = []
        return may_go
