"""Draws a contact sheet of a data set with RGB and thermal images: good parts, then each defect, masks outlined.

    python tools/contact_sheet.py DATA docs/images/synth.png

One part a class with all its pictures; the thermal colours span the part's own temperatures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.data.layouts import Dataset, Sample, index
from radar_edge.files import write_bytes
from radar_edge.preprocess import read_image

TILE = 176
COLUMNS = 3
MARGIN = 4
KEPT_BITS = 0xF8
"""Five bits a channel: noise does not compress, and a page for people needs no more."""
OUTLINE = (255, 255, 0)
"""Cyan, in OpenCV's order."""


Picture = npt.NDArray[Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path, help="a .png file")
    parser.add_argument("--split", default="test")
    parser.add_argument("--skip", type=int, default=0, help="show the part after this many of each class")
    args = parser.parse_args(arguments)
    picture = contact_sheet(index(args.data), args.split, args.skip)
    write_bytes(args.out, cv2.imencode(".png", picture & KEPT_BITS, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


def contact_sheet(dataset: Dataset, split: str, skip: int) -> Picture:
    """`[H, W, 3]` BGR: COLUMNS classes a row, of each the part after the first `skip`."""
    samples = dataset.select(split)
    classes = sorted({s.cls for s in samples}, key=lambda cls: (cls != "good", cls))
    cards = [card([s for s in samples if s.cls == cls][skip:][0], dataset.modalities) for cls in classes]
    cards += [np.zeros_like(cards[0])] * (-len(cards) % COLUMNS)
    return np.vstack([np.hstack(cards[n : n + COLUMNS]) for n in range(0, len(cards), COLUMNS)])


def card(sample: Sample, modalities: Sequence[str]) -> Picture:
    row = np.hstack([tile(sample, name) for name in modalities])
    return np.vstack([caption(sample, row.shape[1]), row])


def caption(sample: Sample, width: int) -> Picture:
    strip = np.full((18, width, 3), 30, np.uint8)
    text = sample.cls if sample.visible_in is None else f"{sample.cls}: in {' and '.join(sample.visible_in)}"
    cv2.putText(strip, text, (6, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (235, 235, 235), 1, cv2.LINE_AA)
    return strip


def tile(sample: Sample, name: str) -> Picture:
    """One picture `[TILE + margins, .., 3]`, its own mask outlined."""
    image = read_image(sample.paths[name])
    view = coloured(image) if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    view = cv2.resize(view, (TILE, TILE), interpolation=cv2.INTER_AREA if view.shape[0] > TILE else cv2.INTER_LINEAR)
    if name in sample.masks:
        mask = cv2.resize(read_image(sample.masks[name]), (TILE, TILE), interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(view, outlines, -1, OUTLINE, 1)
    return cv2.copyMakeBorder(view, 0, MARGIN, 0, MARGIN, cv2.BORDER_CONSTANT)


def coloured(image: Picture) -> Picture:
    low, high = np.percentile(image, (1, 99.8))
    scaled: npt.NDArray[np.uint8] = np.clip((image - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    return cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO)


if __name__ == "__main__":
    main()
