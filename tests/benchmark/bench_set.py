"""A tiny set for benchmarks, and a recipe that takes seconds."""

from __future__ import annotations

from pathlib import Path

from small_set import write_part

RECIPE = "size_px: 32\nsteps: 4\nfeatures: 8\nshared: 8\nbatch_size: 4\nwarm_up_steps: 1\n"
FAKE = Path(__file__).with_name("fake_judge.py")


def write_bench_set(root: Path) -> Path:
    """12 good parts to train on, 6 held out, 4 good and 4 with a hole to test; rgb and 16-bit tir."""
    for split, cls, count in (
        ("train", "good", 12),
        ("validation", "good", 6),
        ("test", "good", 4),
        ("test", "hole", 4),
    ):
        for n in range(count):
            write_part(root, split, cls, f"{n:03}")
    return root
