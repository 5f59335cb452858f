"""Fail if a test was skipped that .ci/allowed_skips.txt does not name."""

import sys
import xml.etree.ElementTree as ElementTree
from fnmatch import fnmatch
from pathlib import Path

allowed = {
    line.split("#")[0].strip()
    for line in Path(__file__).with_name("allowed_skips.txt").read_text().splitlines()
    if line.split("#")[0].strip()
}
skipped = {
    f"{case.get('classname')}::{case.get('name')}"
    for case in ElementTree.parse(sys.argv[1]).iter("testcase")
    if case.find("skipped") is not None
}
unexpected = sorted(name for name in skipped if not any(fnmatch(name, pattern) for pattern in allowed))
for name in unexpected:
    print(f"skipped, and not on .ci/allowed_skips.txt: {name}")
sys.exit(bool(unexpected))
