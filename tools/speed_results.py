"""The generated parts of docs/speed.md, from the documents that tools/bench_speed.py wrote.

tools/speed_results.py speed docs/results/speed.json
tools/speed_results.py size docs/results/size.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from radar_edge.benchmark.speed_tables import size_page, speed_page

PAGES = {"speed": speed_page, "size": size_page}

if __name__ == "__main__":
    kind, path = sys.argv[1:]
    print(PAGES[kind](json.loads(Path(path).read_text(encoding="utf-8"))), end="")
