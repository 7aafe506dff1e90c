"""One module for each resource: the commands that change it."""
