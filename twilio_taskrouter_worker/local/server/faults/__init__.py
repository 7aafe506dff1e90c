"""Injected faults: which are active, and what they do to frames and requests."""
