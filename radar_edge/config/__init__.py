"""Configuration files as frozen models: units in the names, every fault at once, nothing repaired."""

from radar_edge.config.base import Config, load_config, validate
from radar_edge.config.edit import set_block
from radar_edge.config.line import (
    OWN,
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
from radar_edge.config.registration import Registration, registration_faults
from radar_edge.config.telemetry import MqttConfig, resolve_mqtt

__all__ = [
    "OWN",
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
    "Registration",
    "ReplayCamera",
    "RoutingConfig",
    "SyntheticCamera",
    "TriggerConfig",
    "load_config",
    "registration_faults",
    "resolve_mqtt",
    "resolve_paths",
    "set_block",
    "validate",
]
