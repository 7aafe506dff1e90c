"""The desk of a person who serves tasks."""
