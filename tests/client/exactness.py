"""Equality that tells 1 from True and from 1.0."""

from __future__ import annotations

from typing import Any


def same(actual: Any, expected: Any) -> bool:
    """Say whether two results are equal, of the same types at any depth."""
    return bool(actual == expected) and types(actual) == types(expected)


def types(value: Any) -> object:
    """Return the types in a value, in its order; sets and dicts by their sorted texts."""
    if isinstance(value, dict):
        inner = sorted((repr(key), types(key), types(item)) for key, item in value.items())
        return dict, repr(inner)
    if isinstance(value, set):
        return set, {type(item) for item in value}
    if isinstance(value, list | tuple):
        return type(value), [types(item) for item in value]
    return type(value)
