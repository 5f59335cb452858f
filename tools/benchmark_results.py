"""The part of docs/benchmarks.md on missing images, from the documents that `radar-edge benchmark` wrote.

tools/benchmark_results.py docs/results/benchmark [--plots docs/images]
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from radar_edge import files
from radar_edge.benchmark.plot import plot
from radar_edge.benchmark.tables import ABOUT, markdown


def section(document: dict[str, object]) -> str:
    """The document's tables with headings that fit below the page's own, and without what all sections share."""
    tables = re.sub(r"^#", "##", markdown(document).replace(f"{ABOUT}\n\n", ""), flags=re.MULTILINE)
    return f"{tables}\n![AUROC over the share of lost test images]({picture(document)})\n"


def picture(document: dict[str, object]) -> str:
    return f"images/benchmark-{document['kind']}-{document['data']}.svg"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write the pictures there")
    chosen = parser.parse_args()
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(chosen.results.glob("*.json"))]
    if chosen.plots:
        for one in documents:
            files.write_text(chosen.plots / Path(picture(one)).name, plot(one))
    print("\n".join([ABOUT, "", *(section(one) for one in documents)]), end="")


if __name__ == "__main__":
    main()
