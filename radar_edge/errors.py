"""Every error a user can meet, in one tree. Knows nothing of where it is shown.

RadarEdgeError                 message = what was found, what was wanted, what to do next
├── UserError                  exit code 2: the request or its data is wrong
│   ├── UsageError             an argument or a combination of arguments
│   ├── ConfigError            a configuration file (all its faults at once)
│   ├── DatasetError           an image folder
│   ├── RunError               a training run folder
│   └── BundleError            a bundle that is incomplete, changed or not trusted
├── MachineError               exit code 3: the machine lacks something
│   ├── MissingPackageError    a Python package of an extra that is not installed
│   ├── PortError              a serial port
│   ├── CameraError            a camera or its driver
│   └── StorageError           a disk or a file system
└── ShortfallError             exit code 1: a demo, bench or gate that ran and fell short

Anything else that escapes is our bug: exit code 1, with its traceback.
A lost sensor on a running line is not an exception: it is a records.HealthReport.
"""

from __future__ import annotations


class RadarEdgeError(Exception):
    """Base of all. `problem` in one sentence; the rest says found, wanted and the next step.

    `faults` lists every single fault where a whole file or folder was checked at once.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        *,
        found: object = None,
        wanted: object = None,
        next_step: str | None = None,
        faults: tuple[str, ...] | list[str] = (),
    ) -> None:
        self.problem = problem
        self.found = found
        self.wanted = wanted
        self.next_step = next_step
        self.faults = tuple(faults)
        super().__init__(self.render())

    def render(self) -> str:
        lines = [self.problem]
        lines += [f"  - {fault}" for fault in self.faults]
        if self.found is not None:
            lines.append(f"  found:  {self.found}")
        if self.wanted is not None:
            lines.append(f"  wanted: {self.wanted}")
        if self.next_step is not None:
            lines.append(f"  next:   {self.next_step}")
        return "\n".join(lines)


class UserError(RadarEdgeError):
    exit_code = 2


class UsageError(UserError, ValueError):
    pass


class ConfigError(UserError, ValueError):
    pass


class DatasetError(UserError, ValueError):
    pass


class RunError(UserError, ValueError):
    pass


class BundleError(UserError, ValueError):
    pass


class MachineError(RadarEdgeError):
    exit_code = 3


class MissingPackageError(MachineError, ImportError):
    """A package of an optional extra is absent; the message names the extra."""

    def __init__(self, package: str, extra: str, why: str) -> None:
        super().__init__(
            f"{why} needs the Python package {package!r}, which is not installed",
            next_step=f"pip install 'radar-edge[{extra}]'",
        )


class PortError(MachineError, OSError):
    pass


class CameraError(MachineError, OSError):
    pass


class StorageError(MachineError, OSError):
    pass


class ShortfallError(RadarEdgeError):
    exit_code = 1
