"""Handles over the stored forms of the container types."""
