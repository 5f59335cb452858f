"""The line's process in a rehearsal: `radar-edge run`, with cameras and engines that go wrong on demand.

python -m radar_edge.simulation.faulty_line LINE.yaml [--allow-unsigned]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from radar_edge.config import LineConfig, load_config
from radar_edge.errors import RadarEdgeError, StorageError
from radar_edge.files import write_json
from radar_edge.inference.runner import Inference, Runner, Tensor
from radar_edge.runtime.compose import open_line
from radar_edge.runtime.stopping import stop_on_signals
from radar_edge.simulation.control import Control

LOOK_S = 0.01
ENGINE_HANG = "engine_hang"


class FaultyEngine(Runner):
    """A real engine that does not come back while `engine_hang` lasts."""

    def __init__(self, inner: Runner, control: Control) -> None:
        super().__init__(inner.subset, inner.precision, inner.shapes)
        self._inner = inner
        self._control = control

    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        while self._control.fault(ENGINE_HANG):
            time.sleep(LOOK_S)
        return self._inner.infer(inputs)

    def close(self) -> None:
        self._inner.close()


def main() -> int:
    """Exit codes as those of `radar-edge run`."""
    parser = argparse.ArgumentParser(
        prog="radar_edge.simulation.faulty_line", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("line", type=Path)
    parser.add_argument("--allow-unsigned", action="store_true")
    options = parser.parse_args()
    control = Control.of_environment()

    try:
        config = load_config(LineConfig, options.line)

        def on_state(state: dict[str, Any]) -> None:
            with suppress(StorageError):  # a full disk ends no line
                write_json(config.journal.path.with_name("state.json"), state)

        opened = open_line(
            config,
            allow_unsigned=options.allow_unsigned,
            child="radar_edge.simulation.faulty_camera",
            wrap=lambda engine: FaultyEngine(engine, control),
        )
        with stop_on_signals() as stop, opened as line:
            line.run(stop, on_state)
    except RadarEdgeError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
