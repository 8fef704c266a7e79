"""The whole run: resolve the model, plan, and let Ray Data spread the units over the workers."""

import logging
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext

import detector
import scale
from detector.model_folder import store
from detector.result import ModelSource
from scale import plan, results
from scale.errors import ScaleError
from scale.storage import Place, within
from scale.worker import Job, Worker

# Of a core, as Ray counts it: so the workers of a machine that died find room on those that are left, where they would
# otherwise wait for ever for a free core.
_SHARE = 0.5
# The Ray client server sometimes drops the first connection, https://github.com/ray-project/ray/issues/63202.
_ATTEMPTS = 4
_STORE = 200_000_000  # bytes of Ray's object store: the model and the keys of what is known lie there


@dataclass(frozen=True)
class Options:
    """What to judge, where to, with what. `workers` None is one a core; `address` None is this machine alone."""

    source: str
    output: str
    model: str | None = None
    revision: str | None = None
    refresh: bool = False
    column: str | None = None
    workers: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is. `pictures` is how many there are to look at, `known` how many of them the output held before,
    `failed_before` how many of all its rows were errors before. `passed` says what was left out."""

    pictures: int
    model: str
    note: str | None = None
    judged: int = 0
    failed: int = 0
    known: int = 0
    failed_before: int = 0
    passed: str = ""

    @property
    def done(self) -> int:
        return self.judged + self.failed + self.known


def judge(options: Options) -> Iterator[Progress]:
    """Judge everything, telling how far it is. Raises ScaleError and ModelError."""
    if (options.address or "").startswith("ray://"):
        # A client is no part of the cluster and need not see the pictures: there the run is an actor of its own.
        with _cluster(options):
            yield from _far(options)
    else:
        yield from _run(options, _cluster(options))


def _run(options: Options, cluster: AbstractContextManager[None]) -> Iterator[Progress]:
    model = _model(options)
    source, output = Place.input(options.source), Place.output(options.output)
    if within(output, source) or within(source, output):
        raise ScaleError("INPUT and OUTPUT lie in one another: choose an OUTPUT elsewhere.")
    run = uuid.uuid4().hex[:12]
    known = results.begin(output, run, model)
    with cluster:
        workers = options.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        todo = plan.make(source, output, f"_plan-{run}.arrow", workers, options.column)
        progress = Progress(
            todo.pictures, results.revision(model), model.info.note, failed_before=known.failed, passed=todo.passed
        )
        yield progress
        try:
            if todo.units:
                for counts in _counts(Job(run, source, output, todo), ray.put(model), ray.put(known), workers):
                    progress = replace(progress, **{name: getattr(progress, name) + n for name, n in counts.items()})
                    yield progress
        finally:
            output.fs.rm_file(todo.path)


class _Actor:
    """A Worker as Ray Data calls it. The model and what is known lie in Ray's object store, once a machine."""

    def __init__(self, job: Job, model: list[ray.ObjectRef], known: list[ray.ObjectRef]) -> None:
        self._worker = Worker(job, ray.get(model[0]), ray.get(known[0]))

    def __call__(self, units: dict[str, np.ndarray]) -> dict[str, list[int]]:
        counts = [self._worker.judge(int(number)) for number in units["id"]]
        return {name: [count[name] for count in counts] for name in ("judged", "failed", "known")}


def _counts(job: Job, model: ray.ObjectRef, known: ray.ObjectRef, workers: int) -> Iterator[dict[str, int]]:
    """Counts of each unit, as it is done."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    # The first units are the smallest: last, so that no worker is long at work when the others have ended.
    units = ray.data.from_items(
        [{"id": n} for n in reversed(range(job.plan.units))], override_num_blocks=job.plan.units
    )
    done = units.map_batches(
        _Actor,
        fn_constructor_args=(job, [model], [known]),  # in lists, or Ray Data would hand them over by value
        batch_size=None,
        compute=ActorPoolStrategy(size=min(workers, job.plan.units), max_tasks_in_flight_per_actor=2),
        num_cpus=_SHARE,
    )
    try:
        for row in done.iter_rows():
            yield {name: int(row[name]) for name in ("judged", "failed", "known")}
    except Exception as error:  # Ray's own, or one of a worker in one of Ray's several wrappings
        if ours := re.search(rf"{ScaleError.__name__}: (.+)", f"{type(error).__name__}: {error}"):
            raise ScaleError(ours[1]) from None
        last = (str(error).strip() or type(error).__name__).splitlines()[-1][:300]
        raise ScaleError(f"Ray has ended the run ({last}): the same command goes on where it was.") from error


def _model(options: Options) -> store.ModelFolder:
    """The model at one commit: workers are handed its bytes and ask no Hub."""
    model = store.load(options.model, options.revision, refresh=options.refresh)
    # One photo may be judged by another model, an archive may not.
    if model.info.note and model.info.source is ModelSource.BUNDLED:
        raise ScaleError(f"{model.info.note.split(':')[0]}: try again later, or name another model.")
    return model


@contextmanager
def _cluster(options: Options) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what is judged here is told to nobody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # the sentences are ours
    told: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if options.address is None:
        cores = options.workers or os.cpu_count() or 1
        told |= {"address": "local", "num_cpus": cores, "include_dashboard": False, "object_store_memory": _STORE}
    else:
        # The code goes with the run: every worker has the same.
        folders = [str(Path(module.__path__[0])) for module in (detector, scale)]
        environment = {"py_modules": folders, "excludes": ["*.keras", "__pycache__"]}
        told |= {"address": options.address, "runtime_env": environment}
    _connect(told)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # the sentences are ours
    try:
        yield
    finally:
        ray.shutdown()


def _connect(told: dict[str, Any]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            ray.init(**told)
            return
        except Exception as error:  # Ray raises this very class where a machine is too busy to start it
            ray.shutdown()
            if attempt + 1 < _ATTEMPTS and isinstance(error, (ConnectionAbortedError, RuntimeError)):
                continue
            why = " ".join(str(error).split())[:300] or type(error).__name__
            raise ScaleError(f"Ray could not be reached or started: {why}") from error


class _Steps:
    """A run inside the cluster, asked step by step by a client outside of it."""

    def __init__(self, options: Options) -> None:
        self._steps = _run(options, nullcontext())

    def next(self) -> Progress | Exception | None:
        try:
            return next(self._steps, None)
        except (ScaleError, detector.ModelError) as error:
            return error


def _far(options: Options) -> Iterator[Progress]:
    run = ray.remote(num_cpus=0)(_Steps).remote(options)
    while (step := ray.get(run.next.remote())) is not None:
        if isinstance(step, Exception):
            raise step
        yield step
