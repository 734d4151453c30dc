"""The blocking shell, for threads."""
