"""REST and event bridge of the local TaskRouter: HTTP in, engine commands out, and back.

``service`` owns the engine; everything else translates. All of it runs on one thread, the one of ``hosting``.
"""
