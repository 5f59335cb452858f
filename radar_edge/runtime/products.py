"""Which product is judged, and the change from one to another. Knows no thread, engine or wire; time is an argument.

    the PLC selects N -> taken: no product; open parts and new ones NO_DECISION, CHANGEOVER      (desk)
                      -> N's warm engines are put in place: product N, READY again               (inspection)
    N is not known    -> no product, not READY, until a known one is selected

Everything that any product needs is open and warm before the first READY, so a change lasts one round of the
inspection. A part whose trigger came before the new product stood there is never judged by it, and from the moment
that a selection is taken none is judged by the former one. With `products` in line.yaml nothing is judged until the
PLC has selected: after a restart the wrong product would pass its neighbour's faults.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from radar_edge.config import OWN
from radar_edge.errors import ConfigError
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.records import Reason, Verdict
from radar_edge.runtime.plc.link import Command, CommandCode, StatusBit, Trigger
from radar_edge.runtime.slot import Slot
from radar_edge.scoring import Calibration

NUMBER_SHIFT = 8
"""The selected product's number stands in the upper byte of the status register."""

Tell = Callable[..., None]
"""Journal.event."""


@dataclass(frozen=True)
class Product:
    """What one product is judged with."""

    preprocess: Preprocess
    calibrations: Mapping[Subset, Calibration]
    """Of every Subset that may judge."""
    open_engines: Callable[[ExitStack], Mapping[Subset, Runner]]
    """Called once by the thread that will use the engines; they are closed with the stack."""
    bundle_sha256: str = ""
    plans: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """With TensorRT: Subset's slug -> its plan's precision, and those that it stands for; for the journal."""


def check_products(products: Mapping[int, Product]) -> None:
    """Raises ConfigError unless all take the same cameras' images, in one order."""
    kinds: dict[int, Any] = {
        number: {name: (spec.channels, spec.bit_depth) for name, spec in product.preprocess.modalities.items()}
        for number, product in products.items()
    }
    if len({tuple(kind.items()) for kind in kinds.values()}) > 1:
        raise ConfigError(
            "the products' bundles do not take the images of the same cameras",
            found=kinds,
            wanted="the same modalities in the same order, channels and bit depth in each",
            next_step="train them on images of this line's cameras",
        )


class Changeover:
    """The selected product of a running line. The desk takes commands, the inspection puts engines in place."""

    def __init__(self, products: Mapping[int, Product], event: Tell) -> None:
        self._products = products
        self._event = event
        self._lock = threading.Lock()
        self._active: int | None = OWN if OWN in products else None  # a line's one bundle needs no selection
        self._wanted = self._active
        self._current = next(iter(products))
        self._since_ns = 0
        self._reset = False

    # --- the desk's side

    def take(self, command: Command) -> bool:
        """Obey a command of the PLC; whether every open part must be answered with CHANGEOVER now."""
        if command.code == CommandCode.SELECT:
            return self._select(command.product)
        known = command.code == CommandCode.RESET
        with self._lock:
            self._reset = self._reset or known
        self._event("command", "reset" if known else "unknown", code=command.code, product=command.product)
        return False

    def _select(self, number: int) -> bool:
        with self._lock:
            if number == self._active:
                return False
            former, self._active, self._wanted = self._active, None, number
        self._event("product_selected", str(number), former=former, known=number in self._products)
        return True

    def fill(self, slot: Slot, verdict: Verdict, now_ns: int) -> bool:
        """Slot.fill, unless another product was selected since the slot's trigger; no selection comes between."""
        with self._lock:
            return self._in_force(slot.trigger) and slot.fill(verdict, now_ns)

    def _in_force(self, trigger: Trigger) -> bool:
        return self._active is not None and trigger.received_ns >= self._since_ns

    def refusal(self, trigger: Trigger) -> Reason | None:
        """Why this part may not be judged; None if it may."""
        with self._lock:
            ready = self._in_force(trigger)
        return None if ready else Reason.CHANGEOVER

    # --- the inspection's side

    def due(self) -> int | None:
        """The known product that was selected and is not in place."""
        with self._lock:
            return self._wanted if self._active is None and self._wanted in self._products else None

    def in_place(self, number: int, now_ns: int) -> None:
        """The engines of `number` judge from now on; nothing if another was selected meanwhile."""
        with self._lock:
            if self._wanted != number:
                return
            self._active, self._since_ns = number, now_ns
            self._current = number
        self._event("product", str(number), since_ns=now_ns, bundle=self._products[number].bundle_sha256)

    def take_reset(self) -> bool:
        """Whether the PLC asked for a reset since the last call."""
        with self._lock:
            asked, self._reset = self._reset, False
        return asked

    # --- what the line shows

    @property
    def active(self) -> int | None:
        return self._active

    @property
    def current(self) -> Product:
        """The product whose engines are in place; before the first selection any, as nothing is judged."""
        return self._products[self._current]

    def status(self) -> StatusBit:
        """The bit PRODUCT while none is selected, else its number."""
        number = self._active
        return StatusBit.PRODUCT if number is None else StatusBit(number << NUMBER_SHIFT)
