"""Where a line's numbers go. Opens nothing."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from radar_edge.config.base import Config

LEVEL = r"[^/+#\x00]+"
"""A level of an MQTT topic, without wildcards."""


class MqttConfig(Config):
    """An MQTT 5 broker that gets the line's state and verdicts, below <prefix>/<line>/."""

    host: str = Field(min_length=1)
    port: int = Field(default=1883, ge=1, le=65535, description="usually 1883, with tls 8883")
    prefix: str = Field(default="radar-edge", pattern=f"^{LEVEL}(/{LEVEL})*$", description="levels before the line's")
    line: str = Field(pattern=f"^{LEVEL}$", description="this line's own level; no two lines of a broker share one")
    keepalive_s: int = Field(default=15, ge=5, le=3600, description="a unit without power is offline 1.5 times as late")
    username: str | None = Field(default=None, min_length=1)
    password_file: Path | None = Field(default=None, description="its first line; the password stands in no YAML")
    tls: bool = False
    ca_file: Path | None = Field(
        default=None, description="with tls: who signed the broker's certificate; else the system's"
    )
    certificate_file: Path | None = Field(default=None, description="with tls: ours, if the broker asks for one")
    key_file: Path | None = None

    @model_validator(mode="after")
    def _consistent(self) -> MqttConfig:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs username")
        if not self.tls and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("ca_file, certificate_file and key_file need tls: true")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        return self

    def topic(self, name: str) -> str:
        return f"{self.prefix}/{self.line}/{name}"


def resolve_mqtt(config: MqttConfig, folder: Path) -> MqttConfig:
    """`config` with its relative paths taken from `folder`."""
    names = ("password_file", "ca_file", "certificate_file", "key_file")
    found = {name: getattr(config, name) for name in names}
    return config.model_copy(update={name: folder / path for name, path in found.items() if path is not None})
