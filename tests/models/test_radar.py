from __future__ import annotations

import pytest
import torch

from radar_edge.errors import UsageError
from radar_edge.models.radar import RESERVED, Radar, RadarConfig

CHANNELS = {"rgb": 3, "tir": 2, "depth": 1}


def network(*names: str) -> Radar:
    torch.manual_seed(0)
    channels = {name: CHANNELS[name] for name in names}
    return Radar(RadarConfig(channels=channels, height=64, width=96, features=8, shared=16)).eval()


def images(model: Radar, fill: float | None = None) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    config = model.config
    return {
        name: torch.randn(2, c, config.height, config.width, generator=rng)
        if fill is None
        else torch.full((2, c, config.height, config.width), fill)
        for name, c in config.channels.items()
    }


@pytest.mark.parametrize("names", [("rgb",), ("rgb", "tir"), ("rgb", "tir", "depth")])
def test_shapes_for_any_number_of_modalities(names: tuple[str, ...]) -> None:
    model = network(*names)
    output = model(images(model), torch.ones(2, len(names)))
    assert output.anomaly_map.shape == (2, 1, 64, 96)
    assert output.contribution.shape == (2, len(names), 16, 24)
    assert torch.allclose(output.contribution.sum(1), torch.ones(2, 16, 24))


@pytest.mark.parametrize("fill", [0.0, 1.0, 1e4])
def test_what_an_absent_modality_holds_does_not_matter(fill: float) -> None:
    model = network("rgb", "tir")
    mask = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    expected = model(images(model), mask)
    changed = {**images(model), "tir": images(model, fill)["tir"]}
    actual = model(changed, mask)
    assert torch.equal(expected.anomaly_map, actual.anomaly_map)
    assert torch.equal(actual.contribution[:, 1], torch.zeros(2, 16, 24))


def test_each_row_has_its_own_presence() -> None:
    model = network("rgb", "tir")
    mixed = model(images(model), torch.tensor([[1.0, 0.0], [0.0, 1.0]])).anomaly_map
    rgb = model(images(model), torch.tensor([[1.0, 0.0]] * 2)).anomaly_map
    tir = model(images(model), torch.tensor([[0.0, 1.0]] * 2)).anomaly_map
    assert torch.allclose(mixed, torch.stack([rgb[0], tir[1]]), atol=1e-5)


def test_parameters_name_their_modality() -> None:
    names = [name for name, _ in network("rgb", "tir").named_parameters()]
    shared = [name for name in names if not {"rgb", "tir"} & set(name.split("."))]
    assert {name.split(".")[0] for name in shared} == {"head"}


def test_no_modality_is_called_like_a_part_of_the_network() -> None:
    names = [*network("rgb", "tir").state_dict(), "mask", "contribution"]
    parts = {part for name in names for part in name.split(".")} - {"rgb", "tir"}
    assert {part for part in parts if part.isalpha()} <= RESERVED
    for taken in ("head", "mask", "usual", "half", "items"):
        with pytest.raises(UsageError, match=f"part of the network\n  found:  {taken}"):
            Radar(RadarConfig(channels={"rgb": 3, taken: 1}, height=32, width=32, features=8, shared=8))


def test_one_modality_has_no_fusion_and_no_discrepancy() -> None:
    names = [name for name, _ in network("tir").named_parameters()]
    assert not [name for name in names if name.startswith(("fusion", "discrepancy"))]
    assert not [name for name in names if "predict" in name]
