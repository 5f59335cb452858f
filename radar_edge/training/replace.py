"""A run whose one modality is replaced by another: what is inherited, what starts anew, what learns. Knows no loss.

The network's parameters are divided by the modality whose name they carry:

    of kept modalities, and the head    inherited and frozen, weights and statistics: encoders, texture statistics,
                                        projections, predictors, joins, attention, discrepancies
    of the new one, in the MRF          inherited from the replaced modality, and learn: attention, join, discrepancies
    of the new one, the rest            start anew, and learn: encoder, texture statistics, MAA (projection, predictors)

Kept images are scaled as the run scaled them, so a frozen encoder sees what it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from radar_edge.data.dataset import fit_preprocess, moving
from radar_edge.data.layouts import Dataset
from radar_edge.errors import DatasetError, UsageError
from radar_edge.modality import check_modalities
from radar_edge.models.radar import Radar
from radar_edge.preprocess import Preprocess
from radar_edge.training.checkpoint import TrainedRun, load_run

if TYPE_CHECKING:
    from radar_edge.training.train import TrainConfig

FUSION = ("fusion", "join", "discrepancy")
"""Parts of the MRF that a modality owns: the first component of their parameters' names."""
SHAPE = ("size_px", "features", "shared", "texture_weight")
"""What a network is, beside its images: kept engines are the run's only if all of it is the same."""


@dataclass(frozen=True, eq=False)
class Replacement:
    """`old` of a finished run gives its place to `new`."""

    run: TrainedRun
    old: str
    new: str

    @property
    def modalities(self) -> tuple[str, ...]:
        """After the replacement, in the run's order."""
        return tuple(self.new if name == self.old else name for name in self.run.modalities)

    def document(self) -> dict[str, Any]:
        """What run.json keeps of it."""
        return {"replaced": {"run_weights_sha256": self.run.weights_sha256, "old": self.old, "new": self.new}}

    def check(self, dataset: Dataset, config: TrainConfig) -> None:
        """Raises DatasetError or UsageError unless the run's kept parts can be taken over for this training."""
        if dataset.modalities != self.modalities:
            raise DatasetError(
                f"{dataset.root} does not have the modalities that the run has after the replacement",
                found=", ".join(dataset.modalities),
                wanted=f"{', '.join(self.modalities)}, in this order",
                next_step="see own-data: the folders of train/good are the modalities, dataset.yaml sets their order",
            )
        shape = self.run.model.config
        trained = {"size_px": shape.width, **shape.model_dump(include={*SHAPE})}
        if any(getattr(config, key) != trained[key] for key in SHAPE):
            raise UsageError(
                f"a network of another shape cannot keep what {self.run.folder} learned",
                found=", ".join(f"{key} {getattr(config, key)}" for key in SHAPE),
                wanted=", ".join(f"{key} {trained[key]}" for key in SHAPE),
                next_step="name the run's --preset, and a --config with the values that differ even so",
            )
        if config.seed != self.run.document["config"]["seed"]:
            raise UsageError(
                "another seed holds out other parts: kept engines would be set by parts that they learned",
                found=config.seed,
                wanted=self.run.document["config"]["seed"],
                next_step="say the run's --seed",
            )
        faults = [fault for name in self.modalities if name != self.new for fault in self.other_kind(dataset, name)]
        if faults:
            raise DatasetError(f"{dataset.root} has other images than {self.run.folder} was trained on", faults=faults)

    def other_kind(self, dataset: Dataset, name: str) -> list[str]:
        """Faults of a kept modality's images: the frozen encoder would see what it was never shown."""
        spec, trained = dataset.specs[name], self.run.preprocess.modalities[name]
        faults = []
        if (spec.channels, spec.bit_depth) != (trained.channels, trained.bit_depth):
            faults.append(
                f"{name}: {spec.channels} channel(s) of {spec.bit_depth} bit, "
                f"not {trained.channels} of {trained.bit_depth} bit"
            )
        moved = {"homography": None, "view": None, **moving(dataset, name)}
        if moved != {"homography": trained.homography, "view": trained.view}:
            faults.append(f"{name}: another registration than the run's")
        return faults

    def preprocess(self, dataset: Dataset, config: TrainConfig) -> Preprocess:
        """As fitted to the data, but kept modalities as the run has them. Raises what `check` raises."""
        self.check(dataset, config)
        fitted, kept = fit_preprocess(dataset, config.size_px), self.run.preprocess.modalities
        return Preprocess(
            modalities={name: spec if name == self.new else kept[name] for name, spec in fitted.modalities.items()}
        )

    def inherit(self, model: Radar) -> None:
        """Take over what the new modality does not own, and freeze it; start the rest of the MRF from the old one's."""
        self.keep(model)
        learned = self.run.model.state_dict()
        start = {name: learned[self.source(name)] for name in model.state_dict() if self.starts_from_old(name)}
        model.load_state_dict(start, strict=False)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(self.owns(name))

    def keep(self, model: Radar) -> None:
        """Give `model` what was frozen, to the bit: an average of the same integer many times over may be rounded."""
        kept: dict[str, Tensor] = {
            name: value for name, value in self.run.model.state_dict().items() if self.old not in name.split(".")
        }
        model.load_state_dict(kept, strict=False)

    def owns(self, name: str) -> bool:
        """Whether a parameter or statistic is the new modality's."""
        return self.new in name.split(".")

    def starts_from_old(self, name: str) -> bool:
        return self.owns(name) and name.split(".")[0] in FUSION

    def source(self, name: str) -> str:
        return ".".join(self.old if part == self.new else part for part in name.split("."))


def open_replacement(folder: Path, replace: Sequence[str]) -> Replacement:
    """`replace`: one `OLD=NEW`. Raises RunError without a finished run, UsageError for what cannot be replaced."""
    if len(replace) != 1 or replace[0].count("=") != 1:
        raise UsageError(
            "one modality is replaced at a time",
            found=" ".join(replace) or "none",
            wanted="--replace OLD=NEW once, such as --replace tir=depth",
            next_step="replace the next one from the run that comes out, or train anew",
        )
    old, new = replace[0].split("=")
    run = load_run(folder)
    check_modalities([new])
    if old not in run.modalities or new in run.modalities:
        raise UsageError(
            f"{folder} has no modality {old} to replace"
            if old not in run.modalities
            else f"{folder} has {new} already",
            found=", ".join(run.modalities),
            wanted="--replace OLD=NEW, where OLD is one of these and NEW is not",
        )
    return Replacement(run, old, new)


def settle(model: Radar) -> None:
    """Frozen modules stay in evaluation: their batch norm neither learns nor looks at the batch."""
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
