"""The named exceptions from the rules, each with its reason. The list only shrinks.

A key is (rule, place), as a failing test prints them. A test fails when an exception is no longer
needed.
"""

from typing import Final

EXCEPTIONS: Final[dict[tuple[str, str], str]] = {
    ("function_length", "protocol/kvprotocol/requests.py::RequestParser.next"): (
        "the hot loop: a call per element would cost more than the element"
    ),
    ("function_length", "kvnode/dispatch.py::Dispatcher.serve"): (
        "the hot loop: its locals live over many requests"
    ),
}
