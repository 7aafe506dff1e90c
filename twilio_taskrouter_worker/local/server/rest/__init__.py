"""REST v1: one table of all its operations, those that are not here included."""
