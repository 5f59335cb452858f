"""TensorRT's log, kept for error messages. Knows no plan."""

from __future__ import annotations

from typing import Any

_LOGGERS: dict[str, Any] = {}


def process_logger(trt: Any) -> Any:
    """One logger a process and flavour, with `lines`: TensorRT uses the first it is given and ignores later ones."""
    if trt.__name__ not in _LOGGERS:

        class Lines(trt.ILogger):  # type: ignore[misc]
            """Keeps warnings and worse."""

            def __init__(self) -> None:
                trt.ILogger.__init__(self)
                self.lines: list[str] = []

            def log(self, severity: Any, msg: str) -> None:
                if severity <= trt.ILogger.Severity.WARNING:
                    self.lines.append(msg)

        _LOGGERS[trt.__name__] = Lines()
    return _LOGGERS[trt.__name__]
