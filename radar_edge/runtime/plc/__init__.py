"""The link to the line's PLC: drivers behind one seam (link.PlcLink), reached by name."""

from __future__ import annotations

from importlib import import_module

from radar_edge.clock import Clock
from radar_edge.config import Plc
from radar_edge.runtime.plc.link import PlcLink

DRIVERS = {
    "modbus-slave": ("radar_edge.runtime.plc.modbus_slave", "ModbusSlaveLink"),
    "modbus-master": ("radar_edge.runtime.plc.modbus_master", "ModbusMasterLink"),
    "ascii": ("radar_edge.runtime.plc.ascii_link", "AsciiLink"),
    "line": ("radar_edge.runtime.plc.pins", "PinsLink"),
}


def open_link(config: Plc, clock: Clock) -> PlcLink:
    """Open the link that `config.driver` names. Raises PortError if its port cannot be used."""
    module, name = DRIVERS[config.driver]
    link: PlcLink = getattr(import_module(module), name)(config, clock)
    return link
