"""One top-level block of a YAML file replaced, all other lines left as they are. Knows no setting.

A text edit and no YAML writer: the user's comments, order and spelling stay byte for byte, and nothing more is
needed on a unit. What comes out is read again and must say what was there before, and the new block.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from radar_edge.config.base import OneKeyOnce
from radar_edge.errors import ConfigError
from radar_edge.files import write_text

TOP_LEVEL = re.compile(r"[^\s#]")


def set_block(path: Path, key: str, value: Any, remark: str) -> None:
    """Write `value` as the top-level `key` of `path`, under the comment `remark`; atomic. A missing file is made.

    Raises ConfigError, leaving the file as it was, where that cannot be done without touching anything else.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = with_block(before, key, value, remark)
    said, wanted = _read(after), {**_read(before), key: value}
    if said != wanted:
        raise ConfigError(
            f"the block {key} cannot be put into {path} without touching something else",
            next_step=f"write it yourself:\n{block(key, value, remark)}",
        )
    write_text(path, after)


def with_block(text: str, key: str, value: Any, remark: str) -> str:
    """`text` with the block in the place of the former one, else at its end."""
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if re.match(rf"{re.escape(key)}\s*:", line)), None)
    if start is None:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return text + gap + block(key, value, remark)
    end = next((n for n in range(start + 1, len(lines)) if TOP_LEVEL.match(lines[n])), len(lines))
    # Comments and blank lines before the next key are the next key's.
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    if start and lines[start - 1].startswith(f"# {key}:"):
        start -= 1  # the remark that an earlier edit left
    return "".join(lines[:start]) + block(key, value, remark) + "".join(lines[end:])


def block(key: str, value: Any, remark: str) -> str:
    body = yaml.safe_dump({key: value}, sort_keys=False, default_flow_style=None, width=110)
    return f"# {key}: {remark}\n{body}"


def _read(text: str) -> dict[str, Any]:
    try:
        document = yaml.load(text, OneKeyOnce)
    except yaml.YAMLError as error:
        raise ConfigError("the file is not YAML", found=" ".join(str(error).split())) from error
    return document if isinstance(document, dict) else {}
