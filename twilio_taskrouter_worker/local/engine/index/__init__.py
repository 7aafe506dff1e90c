"""Indexes over the state that make routing cheap: idle workers, waiting tasks, and the members of queues."""
