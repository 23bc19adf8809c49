"""Keras' `fit` on our dataset against the same `fit` on arrays in memory, with all cores busy.

There is one process per core, and all processes measure the same side at the same time. So a reader finds no idle core.
"""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from comp.base import registry
from comp.base.processes import cores
from comp.competition.experiments.keras_experiment import KerasExperiment, KerasTraining
from comp.images.cache import open_cache
from tests.benchmarks.inputs import filled, label_table, repeated, synthetic_images
from tests.benchmarks.paired import Ratio, Seconds, alternate, on_all_cores
from tests.benchmarks.results import Result, at_least

CHANNELS = ("red", "green", "blue", "yellow")


@dataclass(frozen=True)
class Plan:
    """How much is measured: in its turn, a side makes `steps` steps of `batch` images."""

    folder: Path
    backbone: str = "DenseNet121"
    size: int = 64
    batch: int = 16
    steps: int = 30
    rounds: int = 6

    @property
    def images(self) -> int:
        return self.steps * self.batch

    @property
    def experiment(self) -> KerasExperiment:
        return KerasExperiment(
            model="bench", trainer="keras", backbone=self.backbone, initial_weights="scratch", size=self.size, channels={"name": "rgb"},
            augmentation={"name": "none"}, train=KerasTraining(epochs=1, batch_size=self.batch),
        )  # fmt: skip


def measure(folder: Path) -> list[Result]:
    return compare(Plan(folder))


def compare(plan: Plan) -> list[Result]:
    filled(plan.folder / f"keras-{plan.size}", repeated(synthetic_images(plan.folder, plan.size), plan.images), plan.size)
    seconds = on_all_cores(one_process, plan)
    share, control = Ratio.of(seconds["arrays"], seconds["dataset"]), Ratio.of(seconds["arrays"], seconds["arrays again"])
    rate = plan.images * cores() / np.median(seconds["dataset"])
    note = f"{rate:.0f} images/s by {cores()} processes at once, each on one core in fp32"
    return [at_least(0.95, f"Keras {plan.backbone} {plan.size} px, speed: fit on our dataset / on arrays in memory", share, control, note)]


def one_process(plan: Plan, slot: int, meet: Callable[[], Any]) -> dict[str, Seconds]:
    """All rounds of one process; only the process of slot 0 shows a progress bar."""
    from comp.images.keras_batches import KerasBatches
    from comp.training.keras_trainer import compiled, configure
    from comp.training.trainer import FoldData

    cv2.setNumThreads(1)
    configure(1, "cpu")
    images = open_cache(plan.folder / f"keras-{plan.size}").images
    channels = registry.build("channels", plan.experiment.channels).of(CHANNELS, "bench")
    data = FoldData(images, label_table(len(images)), np.arange(len(images)), channels)
    batches = data.batches(plan.experiment, 0)
    model = compiled(plan.experiment, data, "scratch")
    arrays = channels.read(images, data.train), data.labels.astype(np.float32)

    def timed_fit(start: Callable[[], Any]) -> Callable[[], float]:
        def side() -> float:
            meet()
            started = perf_counter()
            start()
            return perf_counter() - started

        return side

    on_arrays = timed_fit(lambda: model.fit(*arrays, batch_size=plan.batch, verbose=0))
    on_dataset = timed_fit(lambda: model.fit(KerasBatches(batches, epoch=0), shuffle=False, verbose=0))
    with redirect_stderr(sys.stderr if slot == 0 else StringIO()):
        return alternate({"dataset": on_dataset, "arrays": on_arrays, "arrays again": on_arrays}, plan.rounds, "Keras")
