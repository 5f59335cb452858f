"""Threads that work together: the first error of any of them is kept for whoever waits. Knows no work.

A thread that dies of an error in silence would leave a line that looks alive. Here every error is kept,
`failed` is set at once, and `raise_error` brings it to the thread that owns the crew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Crew:
    """Named daemon threads: one that hangs in a native call cannot keep the process from ending."""

    def __init__(self) -> None:
        self.failed = threading.Event()
        self.stopping = threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread of its own; it must return soon after `stopping` is set."""
        thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - kept, and raised again by raise_error
            with self._lock:
                self._error = self._error or error
            self.failed.set()

    def stop(self, timeout_s: float) -> list[str]:
        """Ask all to end, wait up to `timeout_s` in all, and name those that still run."""
        self.stopping.set()
        waiter = threading.Event()
        step_s = 0.01
        for _ in range(max(1, round(timeout_s / step_s))):
            if not any(thread.is_alive() for thread in self._threads):
                break
            waiter.wait(step_s)
        return [thread.name for thread in self._threads if thread.is_alive()]

    @property
    def error(self) -> BaseException | None:
        return self._error

    def raise_error(self) -> None:
        """Raise the first error of any thread, if there was one."""
        if self._error is not None:
            raise self._error
