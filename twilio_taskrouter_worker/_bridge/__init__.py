"""The event bridge, client side.

Three walks lead through this folder::

    event:   stream -> frames -> signaling -> receiving -> session -> dispatch -> messages -> updates -> tracking
             -> mirror -> your callback
    call:    mirror -> request (routes: url, parameters) -> calls -> turns -> http -> outcomes -> mirror -> Future
    reload:  session (states, reload) -> connection -> reloading -> loading -> session -> resync -> mirror -> ready

``actions`` are what the session asks for, ``timings`` how long it waits, ``token_life`` when a token ends. What is
pure, with no socket, thread, clock or HTTP, is listed in ``tests/unit/_bridge/test_purity.py``.
"""
