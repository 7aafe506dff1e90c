"""The event bridge, client side.

Two walks lead through this folder::

    event:  signaling (frame) -> session -> dispatch -> messages -> state (resource updated) -> your callback
    call:   routes (url, params) -> calls (one HTTP POST on a pool thread) -> state (resource updated) -> Future

``messages``, ``wire``, ``routes``, ``session``, ``failures``, ``state``, ``announced``, ``updates`` and ``resync`` are
pure: no socket, no thread, no clock, no HTTP.
"""
