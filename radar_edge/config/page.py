"""line.yaml, section `page`: where people look at the line. Opens nothing."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import Field, model_validator

from radar_edge.config.base import Config


class PageConfig(Config):
    """The status page, and the metrics beside it."""

    host: str = Field(default="127.0.0.1", min_length=1, description="the address it listens on")
    port: int = Field(default=8090, ge=1, le=65535)
    token_file: Path | None = Field(
        default=None, description="file with the word that a visitor must know; needed beyond loopback"
    )
    title: str = Field(default="radar-edge", min_length=1, max_length=60, description="what people call this line")

    @model_validator(mode="after")
    def _no_open_door(self) -> PageConfig:
        if not self.loopback and self.token_file is None:
            raise ValueError(f"a page on {self.host} needs token_file: without one it stays on 127.0.0.1")
        return self

    @property
    def loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
