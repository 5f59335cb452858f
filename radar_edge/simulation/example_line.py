"""The line.yaml of the tiny line that tests and benches run. Knows no bundle's inside, and needs no onnx."""

from __future__ import annotations

from typing import Any

MODALITIES = ("rgb", "tir")


def line_document(port: str) -> dict[str, Any]:
    """A line.yaml beside the folders `bundle` and `parts`."""
    cameras = [
        {"backend": "replay", "camera_id": f"{name}-camera", "modality": name, "fps": 30, "folder": f"parts/{name}"}
        for name in MODALITIES
    ]
    return {
        "schema_version": 1,
        "bundle": "bundle",
        "engine": "onnxruntime",
        "deadline_ms": 250,
        "pair_wait_ms": 100,
        "cameras": cameras,
        "routing": {"degraded": "may_pass"},
        "plc": {"driver": "modbus-slave", "port": port},
        "journal": {"path": "journal.sqlite"},
    }
