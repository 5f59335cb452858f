"""report.html: an evaluation on one page that asks for nothing but itself. Shows figures, and computes none.

For every Subset: its figures, the scores of good and defective parts round its threshold, and the parts worth a look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from radar_edge import files
from radar_edge.data.dataset import load_mask
from radar_edge.evaluation.evaluate import Judged, sees
from radar_edge.evaluation.histogram import histogram
from radar_edge.evaluation.pictures import (
    SIDE,
    data_address,
    outlined,
    range_of,
    show_heat,
    show_image,
    show_share,
)
from radar_edge.modality import Subset
from radar_edge.preprocess import read_image

SHOWN = 6
"""Parts of each kind in the gallery: whole rows of one, two or three."""
FIGURES = {
    "image_auroc": "AUROC, visible defects",
    "image_auroc_any": "AUROC, all defects",
    "aupro_030": "AUPRO 0.30",
    "aupro_005": "AUPRO 0.05",
    "frr_at_threshold": "false rejects",
    "escape_at_threshold": "escapes",
}
SHARES = ("frr_at_threshold", "escape_at_threshold")

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --quiet: #5b6570; --line: #d5dae0; --page: #fff; --card: #f5f7f9;
  --good: #2a78b8; --bad: #d9622b; --hidden: #9aa3ad; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ec; --quiet: #9aa5b1; --line: #39424c; --page: #14181d;
  --card: #1d232a; --good: #6ab0e8; --bad: #f08a55; --hidden: #6c7680; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 1280px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid var(--line);
  padding-top: 1rem; } h3 { font-size: 1rem; margin-bottom: .4rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; font-size: .85rem; }
small, .quiet, figcaption { color: var(--quiet); font-size: .8rem; } td small { display: block; white-space: nowrap; }
.parts { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, calc(var(--views) * 120px + 15px)), 1fr)); }
.part { background: var(--card); border-radius: 6px; padding: .6rem .7rem; }
.part p { margin: 0 0 .4rem; font-size: .85rem; overflow-wrap: anywhere; }
.views { display: flex; flex-wrap: wrap; gap: .5rem; } figure { margin: 0; width: 112px; }
figure img { width: 112px; height: auto; display: block; border-radius: 3px; } svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(path: Path, metrics: Mapping[str, Any], judged: Mapping[Subset, Sequence[Judged]]) -> None:
    """Write the page atomically. `metrics`: what evaluate.metrics_of says of `judged`, and `source` and `data`."""
    files.write_text(path, report_html(metrics, judged))


def report_html(metrics: Mapping[str, Any], judged: Mapping[Subset, Sequence[Judged]]) -> str:
    """The page. Raises DatasetError if an image that is shown cannot be read any more."""
    title = f"{metrics['source']} on {metrics['data']}"
    sections = "".join(section(subset, metrics["subsets"][subset.slug], parts) for subset, parts in judged.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
{figures_table(metrics)}
<p class="quiet">In brackets: 95 % intervals by bootstrap over groups. False rejects are good parts above the engine's
threshold, escapes are defects visible to it that stay at or below.</p>
{sections}</body></html>
"""


def figures_table(metrics: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in ("subset", "good / defective", *FIGURES.values()))
    rows = []
    for slug, figures in metrics["subsets"].items():
        cells = "".join(f"<td>{figure_text(figures, key)}</td>" for key in FIGURES)
        rows.append(f"<tr><td><b>{escape(slug)}</b></td><td>{counts_text(figures)}</td>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def counts_text(figures: Mapping[str, Any]) -> str:
    hidden = figures["defects_any"] - figures["defects"]
    return f"{figures['good']} / {figures['defects']}" + (
        f"<small>and {hidden} hidden from it</small>" if hidden else ""
    )


def figure_text(figures: Mapping[str, Any], key: str) -> str:
    value, interval = figures[key], figures[f"{key}_ci"]
    if value is None:
        return "–"
    form = "{:.1%}" if key in SHARES else "{:.3f}"
    between = f"<small>[{', '.join(form.format(end) for end in interval)}]</small>" if interval else ""
    return form.format(value) + between


def section(subset: Subset, figures: Mapping[str, Any], parts: Sequence[Judged]) -> str:
    threshold = figures["threshold"]
    low = quiet_level(parts)
    galleries = "".join(
        f"<h3>{escape(heading)}</h3>{gallery(subset, chosen, low, threshold)}"
        for heading, chosen in worth_a_look(subset, parts, threshold)
    )
    return f"""<h2>{escape(subset.slug)}</h2>
{histogram(scores_by_kind(subset, parts), threshold)}
<p class="quiet">Heat is clear at the level of good parts' pixels, green at the threshold, red at as much again.
The defect's outline is cyan. Thermal pictures are stretched to their own range, which is given in raw counts.</p>
{galleries}"""


def quiet_level(parts: Sequence[Judged]) -> float:
    """The median pixel of the good parts' maps."""
    return float(np.median([np.median(part.heat) for part in parts if part.sample.is_good]))


def scores_by_kind(subset: Subset, parts: Sequence[Judged]) -> dict[str, list[float]]:
    kinds: dict[str, list[float]] = {"good": [], "bad": [], "hidden": []}
    for part in parts:
        kind = "good" if part.sample.is_good else "bad" if sees(subset, part.sample) else "hidden"
        kinds[kind].append(part.score)
    return kinds


def worth_a_look(subset: Subset, parts: Sequence[Judged], threshold: float) -> Iterator[tuple[str, Sequence[Judged]]]:
    """(heading, parts): the lowest visible defects that passed, the highest good parts that did not, usual hits."""
    ranked = sorted(parts, key=lambda part: part.score)
    seen = [part for part in ranked if not part.sample.is_good and sees(subset, part.sample)]
    missed = [part for part in seen if part.score <= threshold]
    hits = seen[len(missed) :]
    alarms = [part for part in reversed(ranked) if part.sample.is_good and part.score > threshold]
    start = max((len(hits) - SHOWN) // 2, 0)
    yield f"Worst misses ({len(missed)} of {len(seen)} defects escaped)", missed[:SHOWN]
    yield f"Worst false alarms ({len(alarms)} good parts rejected)", alarms[:SHOWN]
    yield f"Usual hits ({len(hits)} of {len(seen)} defects found)", hits[start : start + SHOWN]


def gallery(subset: Subset, parts: Sequence[Judged], low: float, threshold: float) -> str:
    if not parts:
        return '<p class="quiet">None.</p>'
    views = len(subset) + 1 + (len(subset) if parts[0].contribution is not None else 0)
    cards = "".join(part_card(subset, part, low, threshold) for part in parts)
    return f'<div class="parts" style="--views: {views}">{cards}</div>'


def part_card(subset: Subset, part: Judged, low: float, threshold: float) -> str:
    sample = part.sample
    shown = [f"score {part.score:.2f}", *(f"{name}: {value}" for name, value in sample.strata.items())]
    if sample.visible_in is not None:
        shown.insert(1, f"visible in {sample.visible_in}")
    views = "".join(view(picture, caption) for picture, caption in part_views(subset, part, low, threshold))
    about = escape(", ".join(shown))
    return f'<div class="part"><p><b>{escape(sample.key)}</b><br>{about}</p><div class="views">{views}</div></div>'


def part_views(subset: Subset, part: Judged, low: float, threshold: float) -> Iterator[tuple[str, str]]:
    """(data address, caption): each modality with the defect's outline, the heat, each modality's weight."""
    images = {name: read_image(part.sample.paths[name]) for name in subset}
    mask = load_mask(part.sample, subset, SIDE, SIDE)
    pictures = {name: show_image(image) for name, image in images.items()}
    for name, image in images.items():
        raw = " ({:,} to {:,})".format(*range_of(image)) if image.dtype == np.uint16 else ""
        yield data_address(outlined(pictures[name], mask)), f"{name}{raw}"
    first = pictures[subset.modalities[0]]
    yield data_address(outlined(show_heat(first, part.heat, low, threshold), mask)), "heat"
    if part.contribution is not None:
        for name, share in zip(subset, part.contribution, strict=True):
            yield data_address(show_share(share, first.shape)), f"weight of {name}: {share.mean():.0%}"


def view(address: str, caption: str) -> str:
    text = escape(caption)
    return f'<figure><img src="{address}" alt="{text}"><figcaption>{text}</figcaption></figure>'
