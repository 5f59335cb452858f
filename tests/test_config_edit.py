from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from radar_edge.config import set_block
from radar_edge.errors import ConfigError

ROOT = Path(__file__).parent.parent
VALUE = {"tir": {"reference": "rgb", "homography": [1.0, 0.0, 2.5, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], "view": [48, 48]}}


def test_every_other_byte_of_the_users_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    before = (ROOT / "docs/line.yaml").read_text()
    path.write_text(before)
    set_block(path, "registration", VALUE, "measured")
    after = path.read_text()
    assert yaml.safe_load(after) == {**yaml.safe_load(before), "registration": VALUE}
    start = next(line for line in before.splitlines() if line.startswith("registration:"))
    kept = [line for line in before.splitlines() if line != start]
    assert [line for line in after.splitlines() if line in kept] == kept
    set_block(path, "registration", {}, "measured again")
    assert path.read_text().count("# registration:") == 1
    assert yaml.safe_load(path.read_text())["registration"] == {}


def test_a_block_is_put_at_the_end_of_a_file_without_one_and_into_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1  # one")
    set_block(path, "registration", VALUE, "measured")
    assert path.read_text().startswith("a: 1  # one\n\n# registration: measured\nregistration:\n")
    set_block(tmp_path / "new.yaml", "registration", VALUE, "measured")
    assert yaml.safe_load((tmp_path / "new.yaml").read_text()) == {"registration": VALUE}


@pytest.mark.parametrize("text", ["{a: 1}\n", "a: 1\n---\nb: 2\n", "a: &x {b: 1}\nregistration: &y {}\nc: *y\n"])
def test_a_file_that_cannot_be_edited_without_harm_is_left_as_it_was(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        set_block(path, "registration", VALUE, "measured")
    assert path.read_text() == text
