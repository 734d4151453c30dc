"""What is done again and again in the background, until it is over or is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable


def unattended(result: object) -> None:
    """Ignore the result of a call."""


class Renewal:
    """Calls `renew` every `every_s` seconds in a thread, as long as it returns True."""

    def __init__(self, renew: Callable[[], bool], every_s: float) -> None:
        self._renew = renew
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kvclient-renewal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; no call is under way afterwards."""
        self._is_over.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(self._every_s):
            if not self._renew():
                return
