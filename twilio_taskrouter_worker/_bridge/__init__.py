"""The event bridge, client side.

Two walks lead through this folder::

    event:  signaling (frame) -> connection -> session -> dispatch -> messages -> updates -> mirror -> your callback
    call:   mirror -> calls (routes: url, params) -> http (one POST on a pool thread) -> mirror -> Future

Pure, with no socket, thread, clock or HTTP, are ``messages``, ``schema``, ``routes``, ``session``, ``failures``,
``mirror``, ``tracking``, ``updates``, ``resync`` and ``reporting``.
"""
