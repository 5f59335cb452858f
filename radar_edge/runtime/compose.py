"""From line.yaml to a Line of real parts. Knows which part is opened when, and closes them in the other order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from radar_edge import __version__
from radar_edge.bundle import Bundle, open_bundle
from radar_edge.bundle.device_record import Device, open_device
from radar_edge.clock import Clock, MonotonicClock
from radar_edge.config import OWN, LineConfig
from radar_edge.errors import BundleError, ConfigError
from radar_edge.inference.plans import open_plans
from radar_edge.inference.runner import Runner, open_runner
from radar_edge.modality import Subset
from radar_edge.runtime.capture.process import CHILD
from radar_edge.runtime.capture.supervisor import open_cameras
from radar_edge.runtime.evidence import Evidence
from radar_edge.runtime.feed import Feed
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.line_parts import LineParts
from radar_edge.runtime.pipeline import Line
from radar_edge.runtime.plc import open_link
from radar_edge.runtime.plc.link import PlcLink, Trigger
from radar_edge.runtime.plc.port import open_port
from radar_edge.runtime.plc.triggers import EdgeTriggers, IntervalTriggers
from radar_edge.runtime.products import Product, check_products
from radar_edge.runtime.routing import allowed_subsets
from radar_edge.runtime.watchdog import Watchdog
from radar_edge.scoring import Calibration

Wrap = Callable[[Runner], Runner]
TENSORRT = "tensorrt"


@contextmanager
def open_line(
    config: LineConfig,
    *,
    allow_unsigned: bool = False,
    child: str = CHILD,
    wrap: Wrap = lambda engine: engine,
    feed_to: Path | None = None,
) -> Iterator[Line]:
    """Open everything that `config` names (with paths as they are to be used), and close it again.

    `child` is the module that a camera's process runs, `wrap` is put around every engine: for a simulation.
    `feed_to` is the socket of whoever shows the line to people.
    The PLC link is opened last and closed first: nothing can be read as PASS while the rest is missing.
    Raises BundleError, ConfigError, StorageError, CameraError, PortError.
    """
    clock = MonotonicClock()
    config = follow_links(config)
    bundles = {
        number: open_bundle(one.bundle, allow_unsigned=allow_unsigned) for number, one in config.by_product().items()
    }
    products = {number: product_of(config.by_product()[number], one, wrap) for number, one in bundles.items()}
    check_products(products)
    bundle = next(iter(bundles.values()))
    # Before a journal is made or a camera started: a port that is not there leaves nothing behind.
    open_port(config.plc, 0).close()
    facts = facts_of(config, bundles, products)
    with ExitStack() as stack:
        kept = config.journal
        journal = stack.enter_context(
            Journal(kept.path, clock, facts, max_age_days=kept.max_age_days, max_mb=kept.max_mb)
        )
        if journal.parts_closed:
            journal.event("restart", parts_closed=journal.parts_closed)
        cameras = stack.enter_context(open_cameras(config.cameras, clock, child))
        feed = None if feed_to is None else stack.enter_context(Feed(feed_to, clock))
        link = stack.enter_context(open_link(config.plc, clock))
        parts = LineParts(
            link=link,
            wait_trigger=stack.enter_context(open_triggers(config, link, clock)),
            cameras=cameras,
            journal=journal,
            clock=clock,
            modalities=bundle.modalities,
            products=products,
            watchdog=Watchdog(os.environ, clock),
            evidence=None if config.evidence is None else stack.enter_context(Evidence(config.evidence, journal.run)),
            feed=feed,
        )
        yield Line(parts, config)


def product_of(config: LineConfig, bundle: Bundle, wrap: Wrap = lambda engine: engine) -> Product:
    """What a verified bundle judges with on this line. Raises ConfigError, BundleError."""
    subsets = check_line(config, bundle)
    device = None if config.device is None else open_device(config.device, bundle.sha256)
    return Product(
        preprocess=bundle.manifest.preprocess.on_unit(config.registration),
        calibrations=calibrations(config, bundle, device, subsets),
        open_engines=lambda stack: {
            subset: wrap(engine) for subset, engine in open_engines(stack, config, bundle, subsets, device).items()
        },
        bundle_sha256=bundle.sha256,
        plans={} if device is None else {p.subset: (p.precision, p.instead_of) for p in device.record.plans},
    )


def facts_of(config: LineConfig, bundles: Mapping[int, Bundle], products: Mapping[int, Product]) -> dict[str, Any]:
    """What the journal keeps of a run."""
    bundle = next(iter(bundles.values()))
    facts: dict[str, Any] = {
        "version": __version__,
        "bundle": bundle.sha256,
        "signed_by": bundle.signed_by,
        "engine": config.engine,
        "registration": {name: entry.model_dump() for name, entry in config.registration.items()},
    }
    if config.products:
        facts["products"] = {number: one.sha256 for number, one in bundles.items()}
    plans = {number: product.plans for number, product in products.items() if product.plans}
    if plans:
        facts["plans"] = plans if config.products else plans[OWN]
    return facts


def follow_links(config: LineConfig) -> LineConfig:
    """Bundle and plans by where they really are: a deployment may let `current` lead elsewhere at any moment."""
    device = None if config.device is None else config.device.resolve()
    products = {
        number: one.model_copy(
            update={"bundle": one.bundle.resolve(), "device": None if one.device is None else one.device.resolve()}
        )
        for number, one in config.products.items()
    }
    return config.model_copy(update={"bundle": config.bundle.resolve(), "device": device, "products": products})


@contextmanager
def open_triggers(config: LineConfig, link: PlcLink, clock: Clock) -> Iterator[Callable[[float], Trigger | None]]:
    """Where `config` says that triggers come from, as a function that waits for the next one."""
    source = config.trigger.source
    if source == "interval":
        yield IntervalTriggers(config.trigger.period_ms, clock).wait
    elif source == "edge" and config.trigger.port is not None:
        with EdgeTriggers(config.trigger, clock) as edges:
            yield edges.wait
    else:
        yield link.wait_trigger


def check_line(config: LineConfig, bundle: Bundle) -> tuple[Subset, ...]:
    """The Subsets that may judge. Raises ConfigError if cameras or routing do not fit the bundle, BundleError
    if an engine is missing in the wanted precision."""
    unknown = [camera.modality for camera in config.cameras if camera.modality not in bundle.modalities]
    if unknown:
        raise ConfigError(
            "a camera's modality is none of the bundle's",
            found=", ".join(unknown),
            wanted=", ".join(bundle.modalities),
            next_step="mend the camera's modality, or name the right bundle",
        )
    subsets = allowed_subsets(config.routing, bundle.subsets)
    fitted = {camera.modality for camera in config.cameras}
    if not any(set(subset) <= fitted for subset in subsets):
        raise ConfigError(
            "no engine that may judge fits the cameras",
            found=", ".join(sorted(fitted)),
            wanted="the cameras of one of " + ", ".join(subset.slug for subset in subsets),
            next_step="add a camera, or allow another subset in routing.subsets",
        )
    if config.engine != TENSORRT:
        for subset in subsets:
            bundle.engine(subset, config.precision)
    return subsets


def calibrations(
    config: LineConfig, bundle: Bundle, device: Device | None, subsets: tuple[Subset, ...]
) -> Mapping[Subset, Calibration]:
    """What each Subset's scores mean: a plan has a threshold of its own. Raises BundleError if a plan is missing."""
    if device is not None:
        return {subset: device.entry(subset).calibration for subset in subsets}
    return {subset: bundle.engine(subset, config.precision).calibration for subset in subsets}


def open_engines(
    stack: ExitStack, config: LineConfig, bundle: Bundle, subsets: tuple[Subset, ...], device: Device | None
) -> Mapping[Subset, Runner]:
    """One Runner a Subset, closed with `stack`: the unit's own plans, or the bundle's engines on ONNX Runtime.

    Raises BundleError for one that takes other images than the bundle's preprocessing makes.
    """
    engines = _open(stack, config, bundle, subsets, device)
    for subset, engine in engines.items():
        specs = {name: bundle.manifest.preprocess.modalities[name] for name in subset}
        wanted = {name: (1, spec.input_channels, spec.height, spec.width) for name, spec in specs.items()}
        if engine.shapes != wanted:
            raise BundleError(
                f"the {subset} engine does not take what the bundle's preprocessing makes",
                found=engine.shapes,
                wanted=wanted,
                next_step="build the bundle again, and on a unit its plans",
            )
    return engines


def _open(
    stack: ExitStack, config: LineConfig, bundle: Bundle, subsets: tuple[Subset, ...], device: Device | None
) -> Mapping[Subset, Runner]:
    if device is not None:
        return open_plans(stack, device, subsets, config.cuda)
    engines = {}
    for subset in subsets:
        model = bundle.path(bundle.engine(subset, config.precision).file)
        engine = open_runner(config.engine, model, subset, config.precision, threads=config.threads)
        engines[subset] = stack.enter_context(engine)
    return engines
