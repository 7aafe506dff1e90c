"""How a task finds a worker: workflow plan, the walk through it, the matching, and its explanation."""
