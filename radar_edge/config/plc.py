"""The `plc:` and `trigger:` parts of line.yaml: the driver, its serial port, and what says that a part is there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from radar_edge.config.base import Config

Pin = Literal["cts", "dsr", "ri", "cd"]


class PortConfig(Config):
    """A serial port, and how long things may take on it."""

    port: str | None = Field(default=None, description="device path of the serial port")
    usb_serial: str | None = Field(
        default=None, description="or the serial number of its USB adapter, wherever it is plugged in"
    )
    baud: int = Field(default=115200, ge=1200, le=4_000_000)
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    rs485: bool = Field(default=False, description="the kernel switches the transceiver's direction (TIOCSRS485)")
    heartbeat_timeout_ms: float = Field(default=1000, gt=0, description="PLC heartbeat older than this: link is lost")
    hold_ms: float = Field(
        default=100, ge=0, le=10_000, description="a verdict that is read but not acknowledged stays so long"
    )

    @model_validator(mode="after")
    def _one_port(self) -> PortConfig:
        if (self.port is None) == (self.usb_serial is None):
            raise ValueError("give either port or usb_serial")
        return self

    @property
    def where(self) -> str:
        """The port in words."""
        return self.port if self.port is not None else f"the USB adapter {self.usb_serial}"


class ModbusConfig(PortConfig):
    unit_id: int = Field(default=1, ge=1, le=247, description="Modbus address of the slave")
    input_base: int = Field(default=0, ge=0, le=65000, description="address of our first register")
    holding_base: int = Field(default=0, ge=0, le=65000, description="address of the PLC's first register")


class ModbusSlaveConfig(ModbusConfig):
    """The PLC polls us."""

    driver: Literal["modbus-slave"]


class ModbusMasterConfig(ModbusConfig):
    """We read and write the PLC's holding registers; both blocks lie there, so their bases must differ."""

    driver: Literal["modbus-master"]
    input_base: int = Field(default=100, ge=0, le=65000, description="where the PLC keeps our twelve registers")
    poll_ms: float = Field(default=10, ge=1, le=1000, description="between two rounds of read, write and read-back")
    reply_timeout_ms: float = Field(default=100, ge=5, le=5000, description="for the PLC's reply to one request")

    @model_validator(mode="after")
    def _apart(self) -> ModbusMasterConfig:
        if self.input_base < self.holding_base + 5 and self.holding_base < self.input_base + 12:
            raise ValueError("the blocks of twelve and of five registers overlap: move input_base or holding_base")
        return self


class AsciiConfig(PortConfig):
    """Lines of text, each ended by CR: docs/plc.md has the grammar."""

    driver: Literal["ascii"]
    checksum: Literal["crc16", "xor8"] = "crc16"
    beat_ms: float = Field(default=100, ge=10, le=5000, description="between two lines with our state")
    verdict: str = Field(
        default="V,{sequence},{trigger_id},{code},{reason},{subset},{score},{status}",
        description="template of the line with a verdict",
    )
    state: str = Field(default="S,{heartbeat},{status},{health}", description="template of the line with our state")

    @model_validator(mode="after")
    def _templates(self) -> AsciiConfig:
        for name, known, needed in (
            ("verdict", VERDICT_FIELDS, {"sequence", "trigger_id", "code"}),
            ("state", STATE_FIELDS, {"heartbeat"}),
        ):
            check_template(name, getattr(self, name), known, needed)
        return self


VERDICT_FIELDS = frozenset({"sequence", "trigger_id", "code", "reason", "subset", "score", "status"})
STATE_FIELDS = frozenset({"heartbeat", "status", "health"})


def check_template(name: str, template: str, known: frozenset[str], needed: set[str]) -> None:
    """Raises ValueError unless the template is printable ASCII without `*` and names what it must and may."""
    from string import Formatter

    try:
        used = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if strange := used - known:
        raise ValueError(f"{name}: unknown field {', '.join(sorted(strange))}; known are {', '.join(sorted(known))}")
    if missing := needed - used:
        raise ValueError(f"{name}: the field {', '.join(sorted(missing))} must be there")
    if not template.isascii() or not template.isprintable() or "*" in template:
        raise ValueError(f"{name}: printable ASCII without '*', which begins the checksum")


class LinePinsConfig(PortConfig):
    """Two output pins: PASS = DTR on, RTS off, after the trigger; everything else is reject."""

    driver: Literal["line"]
    trigger_pin: Pin = Field(default="cts", description="trigger.source edge: the input whose rise announces a part")
    pulse_ms: float = Field(default=100, ge=5, le=5000, description="how long a verdict stays on the pins")


Plc = Annotated[
    ModbusSlaveConfig | ModbusMasterConfig | AsciiConfig | LinePinsConfig,
    Field(discriminator="driver"),
]


class TriggerConfig(Config):
    """What says that a part is there."""

    source: Literal["plc", "edge", "interval"] = Field(
        default="plc", description="the PLC's id over the link; an edge on an input pin; or a fixed period, for demos"
    )
    port: str | None = Field(default=None, description="edge: the serial port with that pin; driver line uses its own")
    pin: Pin = Field(default="cts", description="edge: the input of `port` whose rise announces a part")
    period_ms: float = Field(default=1000, ge=20, description="interval: between two parts")
