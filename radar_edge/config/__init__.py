"""Configuration files as frozen models: units in the names, every fault at once, nothing repaired."""

from radar_edge.config.base import Config, load_config, validate
from radar_edge.config.line import (
    Band,
    Camera,
    EvidenceConfig,
    HealthConfig,
    JournalConfig,
    LineConfig,
    ReplayCamera,
    RoutingConfig,
    SyntheticCamera,
    resolve_paths,
)
from radar_edge.config.plc import (
    AsciiConfig,
    LinePinsConfig,
    ModbusMasterConfig,
    ModbusSlaveConfig,
    Plc,
    PortConfig,
    TriggerConfig,
)

__all__ = [
    "AsciiConfig",
    "Band",
    "Camera",
    "Config",
    "EvidenceConfig",
    "HealthConfig",
    "JournalConfig",
    "LineConfig",
    "LinePinsConfig",
    "ModbusMasterConfig",
    "ModbusSlaveConfig",
    "Plc",
    "PortConfig",
    "ReplayCamera",
    "RoutingConfig",
    "SyntheticCamera",
    "TriggerConfig",
    "load_config",
    "resolve_paths",
    "validate",
]
