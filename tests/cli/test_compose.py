"""Parts of a line that do not fit each other are refused when they are put together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from radar_edge.bundle import open_bundle
from radar_edge.config import LineConfig, validate
from radar_edge.errors import BundleError
from radar_edge.preprocess import Preprocess
from radar_edge.runtime.compose import open_engines
from radar_edge.simulation.bright import SPECS, write_bundle
from radar_edge.simulation.example_line import line_document


def test_an_engine_of_another_size_than_the_preprocessing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    config = validate(LineConfig, line_document("unused"), "test")
    bundle = open_bundle(tmp_path / "bundle")
    with ExitStack() as stack:
        assert len(open_engines(stack, config, bundle, bundle.subsets, None)) == 3
    for change, wanted in (({"height": 64}, r"\(1, 3, 64, 32\)"), ({"median_channel": 1.0}, r"\(1, 4, 32, 32\)")):
        specs = {name: spec.model_copy(update=change) for name, spec in SPECS.items()}
        other = bundle.manifest.model_copy(update={"preprocess": Preprocess(modalities=specs)})
        with ExitStack() as stack, pytest.raises(BundleError, match=f"preprocessing makes(.|\\s)*{wanted}"):
            open_engines(stack, config, replace(bundle, manifest=other), bundle.subsets, None)
