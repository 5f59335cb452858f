"""A paho client as a line needs it: MQTT 5, last will, password, TLS; messages with properties. Connects not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radar_edge.config.telemetry import MqttConfig
from radar_edge.errors import ConfigError, MissingPackageError

try:
    from paho.mqtt.client import Client, MQTTMessageInfo
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError as error:
    raise MissingPackageError("paho-mqtt", "telemetry", "telling an MQTT broker") from error

QOS = 1
IN_FLIGHT = 16
"""Messages that paho holds at most."""
RETRY_S = (1, 30)
"""Between two attempts to connect: doubled from the first to the second."""
CONNECT_S = 5.0


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes
    retain: bool
    content_type: str = "application/json"
    expiry_s: int | None = None


def online(config: MqttConfig) -> Message:
    return Message(config.topic("status"), b"online", retain=True, content_type="text/plain")


def offline(config: MqttConfig) -> Message:
    return Message(config.topic("status"), b"offline", retain=True, content_type="text/plain")


def publish(client: Client, message: Message) -> MQTTMessageInfo:
    properties = _properties(message, PacketTypes.PUBLISH)
    return client.publish(message.topic, message.payload, QOS, message.retain, properties)


def _properties(message: Message, packet: int) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    properties.ContentType = message.content_type
    properties.PayloadFormatIndicator = 1  # UTF-8
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    return properties


def open_client(config: MqttConfig) -> Client:
    """Raises ConfigError if a file that `config` names cannot be used."""
    name = f"{config.prefix}-{config.line}".replace("/", "-")
    client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(IN_FLIGHT + 1)  # and the last word
    client.reconnect_delay_set(*RETRY_S)
    client.connect_timeout = CONNECT_S
    will = offline(config)
    client.will_set(will.topic, will.payload, QOS, will.retain, _properties(will, PacketTypes.WILLMESSAGE))
    if config.username is not None:
        client.username_pw_set(config.username, _password(config.password_file))
    if config.tls:
        _use_tls(client, config)
    return client


def _password(path: Path | None) -> str | None:
    """The file's first line."""
    if path is None:
        return None
    try:
        password = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the MQTT password file {path}", found=str(error)) from error
    if not password:
        raise ConfigError(f"the MQTT password file {path} is empty", wanted="the password as its first line")
    return password


def _use_tls(client: Client, config: MqttConfig) -> None:
    ca, certificate, key = (
        str(file) if file else None for file in (config.ca_file, config.certificate_file, config.key_file)
    )
    try:
        client.tls_set(ca, certificate, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            "cannot use the MQTT certificates",
            found=f"{error} ({', '.join(filter(None, (ca, certificate, key)))})",
            wanted="readable PEM files; a key without a passphrase",
        ) from error
