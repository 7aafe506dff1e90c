"""The version, in the one place where it stands; ``setup.cfg`` reads it from here."""

__version__ = "0.1.0"
