"""Unmodified third-party clients against a node."""
