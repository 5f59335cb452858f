"""What every configuration file shares: frozen models, and YAML read into them. Knows no setting.

Every fault is listed at once, an unknown key is refused, and nothing is repaired.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from radar_edge.errors import ConfigError


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OneKeyOnce(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping: YAML would take the last one and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {', '.join(twice)} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


def load_config(model: type[AnyConfig], path: Path) -> AnyConfig:
    """Read a YAML file into `model`. Relative paths stay relative: see resolve_paths. Raises ConfigError."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), OneKeyOnce)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}", found=str(error)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML", found=" ".join(str(error).split())) from error
    return validate(model, document, str(path))


def validate(model: type[AnyConfig], document: Any, source: str) -> AnyConfig:
    """Build `model` from plain data. Raises ConfigError that lists every fault with its place in `source`."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(str(p) for p in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise ConfigError(f"{source} has {len(faults)} fault(s)", faults=faults, next_step="mend them all") from error
