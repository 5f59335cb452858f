"""Configuration files as frozen models: units in the names, every fault at once, nothing repaired."""

from radar_edge.config.base import Config, load_config, validate
from radar_edge.config.line import (
    AravisCamera,
    Band,
    Camera,
    EvidenceConfig,
    GstreamerCamera,
    HealthConfig,
    JournalConfig,
    LineConfig,
    OpencvCamera,
    ReplayCamera,
    RoutingConfig,
    SyntheticCamera,
    resolve_paths,
)
from radar_edge.config.page import PageConfig
from radar_edge.config.plc import (
    AsciiConfig,
    LinePinsConfig,
    ModbusMasterConfig,
    ModbusSlaveConfig,
    Plc,
    PortConfig,
    TriggerConfig,
)
from radar_edge.config.telemetry import MqttConfig, resolve_mqtt

__all__ = [
    "AravisCamera",
    "AsciiConfig",
    "Band",
    "Camera",
    "Config",
    "EvidenceConfig",
    "GstreamerCamera",
    "HealthConfig",
    "JournalConfig",
    "LineConfig",
    "LinePinsConfig",
    "ModbusMasterConfig",
    "ModbusSlaveConfig",
    "MqttConfig",
    "OpencvCamera",
    "PageConfig",
    "Plc",
    "PortConfig",
    "ReplayCamera",
    "RoutingConfig",
    "SyntheticCamera",
    "TriggerConfig",
    "load_config",
    "resolve_mqtt",
    "resolve_paths",
    "validate",
]
