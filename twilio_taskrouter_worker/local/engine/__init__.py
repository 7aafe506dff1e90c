"""The routing engine: pure and deterministic, commands in, events out."""
