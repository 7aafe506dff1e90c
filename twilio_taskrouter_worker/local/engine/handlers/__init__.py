"""One module for each resource: the commands that change it.

A handler first checks everything and raises ``Rejected`` while nothing has changed; then it changes state and emits
events. Routing is only requested, with ``kernel.wake`` and ``kernel.place``, except that a transfer reserves workers at
once.

Sids are made, and counters increased, only after the last check: a refused command is not in the journal, so a replay
would not consume what it had.
"""
