from __future__ import annotations

import pytest

from radar_edge.errors import UsageError
from radar_edge.modality import Subset, all_subsets, subset_from_slug, subset_of

RGB_TIR = ("rgb", "tir")


def test_all_subsets_of_three_are_seven_small_ones_first() -> None:
    slugs = [subset.slug for subset in all_subsets(("rgb", "tir", "depth"))]
    assert slugs == ["rgb", "tir", "depth", "rgb_tir", "rgb_depth", "tir_depth", "rgb_tir_depth"]


def test_a_subset_keeps_the_models_order() -> None:
    assert subset_of({"tir", "rgb"}, RGB_TIR) == Subset(("rgb", "tir"))
    assert subset_of(set(), RGB_TIR) is None


def test_slug_and_bits_round_trip() -> None:
    for subset in all_subsets(("rgb", "tir", "depth")):
        assert subset_from_slug(subset.slug, ("rgb", "tir", "depth")) == subset
    assert Subset(("tir",)).bits(RGB_TIR) == 2
    assert Subset(("tir",)).mask(RGB_TIR) == (False, True)


@pytest.mark.parametrize("slug", ["", "tir_rgb", "rgb_rgb", "depth", "rgb_"])
def test_a_foreign_slug_is_refused(slug: str) -> None:
    with pytest.raises(UsageError):
        subset_from_slug(slug, RGB_TIR)


@pytest.mark.parametrize("names", [(), ("RGB",), ("r_g",), ("rgb", "rgb"), ("1rgb",)])
def test_bad_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        Subset(names)
