"""Writes the methods' networks as ONNX, to compare their speed: `export.py JOB.json`.

    job   {"models": [names], "size_px": 256, "out": folder}
    out   <name>.onnx (input "image" float32 [1, 3, S, S]; outputs "score" [1] and, where there is one, "anomaly_map"
          [1, 1, S, S]) and <name>.json {"parameters", "what", "versions"}

What the values of the weights are does not change the time: they are random, and the files are of no use to judge an
image. Exit codes and refusals as in judge.py. Knows no clock.
"""

from __future__ import annotations

import sys
from pathlib import Path

import seam


def export(arguments: list[str]) -> None:
    document = seam.read_document(arguments)
    seam.expect_keys(document, {"models", "size_px", "out"})
    size_px, out = seam.size_px(document), Path(seam.text(document, "out"))
    names = document["models"]
    if not isinstance(names, list) or not names or any(name not in seam.METHODS for name in names):
        raise seam.bad_job("models is wrong", names, f"a list of {', '.join(seam.METHODS)}")
    try:
        import networks
        from backbones import count
    except ImportError as error:
        raise seam.lacking(error) from error
    report = seam.progress_lines()
    for turn, name in enumerate(names):
        network = networks.NETWORKS[name](size_px)
        data = networks.onnx_bytes(network, size_px)
        seam.write_whole(out / f"{name}.onnx", lambda stream, data=data: stream.write(data))  # type: ignore[misc]
        note = {"parameters": count(network.model), "what": network.what, "versions": seam.versions("onnxscript")}
        seam.write_json(out / f"{name}.json", note)
        report(turn + 1, len(names), "models")


if __name__ == "__main__":
    sys.exit(seam.run(export))
