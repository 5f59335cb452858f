"""Small copies of the layouts that `dataset import` reads. Every picture is unlike every other."""

from __future__ import annotations

import struct
import wave
import zlib
from pathlib import Path

import cv2
import numpy as np

from radar_edge.data.adapters.importing import plan_sets, write_sets
from radar_edge.data.adapters.plan import Options, Plan
from radar_edge.preprocess import write_png

SIDE = 32


def noise(path: Path) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(path.parts[-5:]).encode()))


def rgb(path: Path, side: int = SIDE) -> None:
    write_png(path, noise(path).integers(60, 200, (side, side, 3), np.uint8))


def grey(path: Path, side: int = SIDE) -> None:
    write_png(path, noise(path).integers(60, 200, (side, side), np.uint8))


def mask(path: Path, side: int = SIDE, marked: bool = True) -> None:
    image = np.zeros((side, side), np.uint8)
    image[4:9, 4:9] = 255 * marked
    write_png(path, image)


def depth16(path: Path, side: int = SIDE) -> None:
    write_png(path, noise(path).integers(0, 65536, (side, side), np.uint16))


def tiff(path: Path, points: np.ndarray) -> None:
    """A TIFF of three float32 channels by the standard (TIFF 6.0), so that OpenCV does not read what it wrote."""
    height, width, _ = points.shape
    data = points.astype("<f4").tobytes()
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, 8 + len(data)),  # BitsPerSample, and SampleFormat behind it
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
        (284, 3, 1, 1),
        (339, 3, 3, 8 + len(data) + 6),
    ]
    start = 8 + len(data) + 12
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, start) + data + struct.pack("<6H", 32, 32, 32, 3, 3, 3) + table)


def xyz(path: Path, depth_m: np.ndarray | None = None) -> None:
    z = noise(path).uniform(0.4, 0.6, (SIDE, SIDE)) if depth_m is None else depth_m
    tiff(path, np.stack([np.full_like(z, -0.1), np.full_like(z, 0.2), z], axis=2))


def sound(path: Path, wave_of: np.ndarray, rate_hz: int = 16000) -> None:
    """`[N, channels]` from -1 to 1, 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(wave_of.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(np.rint(wave_of * 32767).astype("<i2").tobytes())


def jpg(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def mvtec_ad(root: Path) -> Path:
    for i in range(4):
        rgb(root / "train/good" / f"{i:03}.png")
    for i in range(2):
        rgb(root / "test/good" / f"{i:03}.png")
        rgb(root / "test/crack" / f"{i:03}.png")
        mask(root / "ground_truth/crack" / f"{i:03}_mask.png")
    return root


def mvtec_3d_ad(root: Path) -> Path:
    for folder, count in (("train/good", 4), ("validation/good", 2), ("test/good", 2), ("test/hole", 2)):
        for i in range(count):
            rgb(root / folder / "rgb" / f"{i:03}.png")
            xyz(root / folder / "xyz" / f"{i:03}.tiff")
            if folder.startswith("test"):
                mask(root / folder / "gt" / f"{i:03}.png", marked=folder != "test/good")
    return root


def mulsen_ad(root: Path) -> Path:
    """hole/0 shows in both, hole/1 in the infrared alone, hole/2 in the point cloud alone."""
    for folder, count in (("train", 12), ("test/good", 2), ("test/hole", 3)):
        for i in range(count):
            rgb(root / "RGB" / folder / f"{i}.png")
            infrared(root / "Infrared" / folder / f"{i}.png")
    labels = root / "RGB/GT/hole/data.csv"
    labels.parent.mkdir(parents=True)
    labels.write_text("object,RGB,Infrared,Pointcloud\n0,1,1,0\n1,0,1,1\n2,0,0,1\n")
    mask(root / "RGB/GT/hole/0.png")
    for i in (0, 1):
        mask(root / "Infrared/GT/hole" / f"{i}.png", SIDE // 2)
    (root / "Pointcloud/train").mkdir(parents=True)
    return root


def infrared(path: Path, spread: int = 2) -> None:
    """Grey in three channels, one of them a little off."""
    plane = noise(path).integers(60, 200, (SIDE // 2, SIDE // 2), np.uint8)
    write_png(path, np.stack([plane, plane + np.uint8(spread), plane], axis=2))


def eyecandies(root: Path) -> Path:
    """In test_public 0 is good, 1 has a bump, 2 another colour, 3 both."""
    for split, count in (("train", 4), ("val", 2), ("test_public", 4), ("test_private", 1)):
        for i in range(count):
            start = root / split / "data"
            rgb(start / f"{i:02}_image_4.png")
            rgb(start / f"{i:02}_image_0.png")
            depth16(start / f"{i:02}_depth.png")
            (start / f"{i:02}_info_depth.yaml").write_text(f"normalization: {{min: 1.0, max: {2 + i / 10}}}\n")
            if split != "test_public":
                continue
            (start / f"{i:02}_metadata.yaml").write_text(f"anomalous: {int(i > 0)}\nother: 1\n")
            mask(start / f"{i:02}_mask.png", marked=i > 0)
            marked = {"bumps": i in (1, 3), "colors": i in (2, 3), "dents": False, "normals": False}
            for kind, is_marked in marked.items():
                mask(start / f"{i:02}_{kind}_mask.png", marked=is_marked)
    return root


def texture(seed: int, height: int = 96, width: int = 80) -> np.ndarray:
    """Fine grain and coarse: without the fine one JPEG's own blocks would register two tiles with each other."""
    plane = np.random.default_rng(seed).normal(size=(height + 16, width + 16)).astype(np.float32)
    return np.clip(128 + 200 * cv2.GaussianBlur(plane, (0, 0), 2) + 20 * plane, 0, 255).astype(np.uint8)


def crop(image: np.ndarray, dx: int = 0, dy: int = 0, gain: float = 1.0) -> np.ndarray:
    return np.clip(image[8 + dy : -8 + dy or None, 8 + dx : -8 + dx or None] * gain, 0, 255).astype(np.uint8)


def tile_shot(root: Path, cls: str, exposure: int, number: int, image: np.ndarray, masked: bool = True) -> None:
    stem = root / f"MT_{cls}" / "Imgs" / f"exp{exposure}_num_{number}"
    jpg(stem.with_suffix(".jpg"), image)
    if masked:
        marks = np.zeros(image.shape[:2], np.uint8)
        marks[10:20, 10:20] = 255 * (cls != "Free")
        write_png(stem.with_suffix(".png"), marks)


def magnetic_tile(root: Path, tiles: int = 6) -> Path:
    """Tiles a thousand numbers apart, the last one with a crack; two exposures each, shifted by 2 px."""
    for tile in range(tiles):
        cls = "Crack" if tile == tiles - 1 else "Free"
        picture = texture(tile)
        tile_shot(root, cls, 1, 1000 * tile, crop(picture))
        tile_shot(root, cls, 2, 1000 * tile + 20, crop(picture, dx=2, gain=0.8))
    return root


def toyadmos(root: Path, channels: int = 1) -> Path:
    names = [f"train/normal_id_0{1 + i % 2}_{i:08}" for i in range(4)]
    names += ["test/normal_id_01_00000000", "test/anomaly_id_01_00000000", "test/anomaly_id_02_00000000"]
    for name in names:
        path = root / f"{name}.wav"
        sound(path, noise(path).normal(0, 0.1, (4096, channels)).clip(-1, 1))
    return root


def listed(root: Path) -> Path:
    """A table of rgb and tir; the last part has no tir."""
    rows = ["split,cls,name,rgb,tir,gt,gt_tir,group,visible_in,lot"]
    parts = [("train", "good"), ("train", "good"), ("test", "good"), ("test", "hot"), ("test", "scratch")]
    for i, (split, cls) in enumerate(parts):
        rgb(root / "colour" / f"{i}.png")
        grey(root / "heat" / f"{i}.png")
        mask(root / "marks" / f"{i}.png")
        bad, hot, is_last = cls != "good", cls == "hot", i == len(parts) - 1
        cells = [f"colour/{i}.png", "" if is_last else f"heat/{i}.png", f"marks/{i}.png" if bad else ""]
        cells += [f"marks/{i}.png" if hot else "", f"g{i}", {"hot": "tir", "scratch": "rgb"}.get(cls, ""), "L1"]
        rows.append(",".join([split, cls, f"p{i}", *cells]))
    (root / "samples.csv").write_text("\n".join(rows) + "\n")
    return root


def plan_of(kind: str, src: Path, category: str | None = None, **options: object) -> Plan:
    """The only plan."""
    (plan,) = plan_sets(kind, src, category, Options(**options), lambda *_: None).values()  # type: ignore[arg-type]
    return plan


def brought(kind: str, src: Path, out: Path, category: str | None = None, **options: object) -> Path:
    """`dataset import`."""
    plans = plan_sets(kind, src, category, Options(**options), lambda *_: None)  # type: ignore[arg-type]
    write_sets(kind, plans, out, lambda *_: None)
    return out
