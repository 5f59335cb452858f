"""Who is measured side by side: our engines, networks of others as ONNX files, and rooflines. Times nothing.

    FOLDER/<name>.onnx   one picture [1, 3, S, S] float32 in; its outputs are whatever it says of it
    FOLDER/<name>.json   where the file comes from: an object of any keys, kept beside the figures

All go through the same library with the same options.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from radar_edge.benchmark.counting import Cost, cost_of, input_shapes, load_graph
from radar_edge.bundle import Bundle
from radar_edge.bundle.device_record import Device
from radar_edge.errors import UsageError, UserError
from radar_edge.inference.bench import Progress, call_of
from radar_edge.inference.onnxruntime_runner import open_session
from radar_edge.inference.plans import open_plans
from radar_edge.inference.runner import Runner, open_runner
from radar_edge.modality import Subset, subset_from_slug

if TYPE_CHECKING:  # torch, which would count in the memory of every model's process
    from radar_edge.benchmark.untrained import Untrained

RADAR, BASELINE, ROOFLINE = "radar", "baseline", "roofline"
RUNNER = "onnxruntime"
COLOURS = 3


@dataclass(frozen=True)
class Contender:
    """One file. With a `subset` it is an engine of ours and goes through a Runner, else straight to the library.

    `runner`: of a plan, open already: plans share a session, and only its thread may run them.
    """

    name: str
    kind: str
    precision: str
    model: Path
    cost: Cost
    subset: Subset | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    library: str = RUNNER
    runner: Runner | None = None

    @contextmanager
    def opened(self, threads: int) -> Iterator[Callable[[], object]]:
        """A function that judges one picture of noise. Raises BundleError if the file cannot be loaded."""
        if self.runner is not None:
            yield call_of(self.runner)
            return
        if self.subset is not None:
            with open_runner(RUNNER, self.model, self.subset, self.precision, threads=threads) as runner:
                yield call_of(runner)
            return
        session = open_session(self.model, threads=threads)
        rng = np.random.default_rng(0)
        inputs = {node.name: rng.standard_normal(node.shape, np.float32) for node in session.get_inputs()}
        yield partial(session.run, None, inputs)


def of_bundle(bundle: Bundle) -> list[Contender]:
    """Every engine that shipped, in its order. What it costs is that of its FP32 graph."""
    return [
        Contender(
            name=engine.subset,
            kind=RADAR,
            precision=engine.precision,
            model=bundle.path(engine.file),
            cost=Cost(engine.macs, engine.parameters),
            subset=subset_from_slug(engine.subset, bundle.modalities),
        )
        for engine in bundle.manifest.engines
    ]


def of_plans(stack: ExitStack, bundle: Bundle, device: Device, cuda: str) -> list[Contender]:
    """The plans that `radar-edge finish` built on this unit, closed with `stack`. Raises as open_plans does."""
    costs = {engine.subset: Cost(engine.macs, engine.parameters) for engine in bundle.manifest.engines}
    return [
        Contender(
            name=subset.slug,
            kind=RADAR,
            precision=runner.precision,
            model=device.folder / device.entry(subset).file,
            cost=costs[subset.slug],
            subset=subset,
            library="tensorrt",
            runner=runner,
        )
        for subset, runner in open_plans(stack, device, bundle.subsets, cuda).items()
    ]


def of_untrained(network: Untrained, folder: Path, progress: Progress = lambda *_: None) -> list[Contender]:
    """Every Subset in every precision; the graphs are written into `folder`."""
    found = []
    for done, subset in enumerate(network.subsets):
        progress("make engines", done, len(network.subsets))
        graphs = network.engines(subset)
        cost = cost_of(graphs["fp32"])
        for precision, graph in graphs.items():
            path = folder / f"{subset}_{precision}.onnx"
            onnx.save(graph, path)
            found.append(Contender(subset.slug, RADAR, precision, path, cost, subset))
    progress("make engines", len(network.subsets), len(network.subsets))
    return found


def baselines(folder: Path, size_px: int, progress: Progress = lambda *_: None) -> list[Contender]:
    """Every pair of an ONNX and a JSON file, by name. Raises UsageError with every fault if there is none, or if one is
    damaged, lacks its JSON or takes something else than one RGB picture of `size_px`."""
    paths = sorted(folder.glob("*.onnx"))
    if not paths:
        raise UsageError(
            f"{folder} holds no models",
            wanted="files NAME.onnx and NAME.json",
            next_step="export the baselines first, or leave out --models",
        )
    found = []
    for done, path in enumerate(paths):
        found.append(attempt(path, size_px))
        progress("count models", done + 1, len(paths))
    faults = [one for one in found if isinstance(one, str)]
    if faults:
        raise UsageError(f"models in {folder} cannot be measured", faults=faults)
    return [one for one in found if isinstance(one, Contender)]


def attempt(path: Path, size_px: int) -> Contender | str:
    """The contender, or in one line why it is none."""
    try:
        return baseline(path, size_px)
    except UserError as error:
        return f"{path.name}: {'; '.join(' '.join(line.split()) for line in str(error).splitlines())}"


def baseline(path: Path, size_px: int) -> Contender:
    graph = load_graph(path)
    shapes = list(input_shapes(graph).values())
    wanted = (1, COLOURS, size_px, size_px)
    if shapes != [wanted]:
        raise UsageError("it takes another input", found=shapes, wanted=[wanted])
    return Contender(path.stem, BASELINE, "fp32", path, cost_of(graph), about=described(path.with_suffix(".json")))


def described(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path.name}", found=str(error), wanted="where the model comes from") from error
    if not isinstance(about, dict):
        raise UsageError(f"{path.name} is no JSON object")
    return about
