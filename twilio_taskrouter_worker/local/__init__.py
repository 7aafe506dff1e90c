"""The local TaskRouter: the service itself, embedded and offline."""
