from __future__ import annotations

from radar_edge import errors


def test_the_message_says_found_wanted_and_next() -> None:
    error = errors.ConfigError("line.yaml has faults", found="x", wanted="y", next_step="z", faults=["a", "b"])
    assert str(error).splitlines() == [
        "line.yaml has faults",
        "  - a",
        "  - b",
        "  found:  x",
        "  wanted: y",
        "  next:   z",
    ]


def test_exit_codes_tell_whose_fault_it_is() -> None:
    assert errors.BundleError("").exit_code == 2
    assert errors.PortError("").exit_code == 3
    assert errors.ShortfallError("").exit_code == 1


def test_a_missing_package_names_its_extra() -> None:
    error = errors.MissingPackageError("onnxruntime", "ort", "the onnxruntime engine")
    assert "pip install 'radar-edge[ort]'" in str(error)
