"""Prediction of images of a cache against a bare forward loop over tensors in memory, and of PNGs against a plain loop that decodes them.

There is one process per core, and all processes measure the same side at the same time.
"""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.images.cache import open_cache
from comp.images.input_channels import InputChannels
from comp.images.memory_maps import read_into_maps
from comp.inference.torch_network import load, weights_of
from comp.models.backbone import backbone_options, build_classifier
from comp.models.precision import autocast
from comp.training.trainer import prediction_settings
from tests.benchmarks.bare import CPU
from tests.benchmarks.decoding import decoded
from tests.benchmarks.inputs import PIXELS, filled, label_table, repeated, synthetic_images
from tests.benchmarks.paired import Ratio, Seconds, Side, alternate, on_all_cores, timed
from tests.benchmarks.results import Result, at_most
from tests.benchmarks.training import BACKBONES, BATCH

CHANNELS = 4


@dataclass(frozen=True)
class Plan:
    """What is measured for one backbone: `rows` images in each of `rounds` rounds."""

    folder: Path
    backbone: str
    size: int
    pixels: int
    rows: int
    rounds: int


def measure(folder: Path, backbones: tuple[str, ...] = BACKBONES, size: int = 128, pixels: int = PIXELS, rounds: int = 12) -> list[Result]:
    results = []
    for backbone in backbones:
        plan = Plan(folder, backbone, size, pixels, rows=4 * BATCH, rounds=rounds)
        filled(folder / f"predicting-{size}", repeated(synthetic_images(folder, pixels), plan.rows), size)
        seconds = on_all_cores(one_process, plan)
        cost, control = (Ratio.of(seconds[side], seconds["bare"]) for side in ("predictor", "control"))
        files = Ratio.of(seconds["files"], seconds["plain loop over files"])
        note = f"{plan.rows} images a round, in batches of {2 * BATCH}; every process on one core"
        name = f"{backbone} {size} px, time"
        results.append(at_most(1.05, f"{name}: prediction / bare forward loop", cost, control, note))
        results.append(Result(f"{name}: prediction of PNGs of {pixels} px / plain loop that decodes them", str(files)))
    return results


def one_process(plan: Plan, slot: int, meet: Callable[[], Any]) -> dict[str, Seconds]:
    """All rounds of one process; only the process of slot 0 shows a progress bar."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    training = TorchTraining(batch_size=BATCH)
    experiment = TorchExperiment(model="bench", backbone=plan.backbone, initial_weights="scratch", size=plan.size, train=training)
    channels, classes = InputChannels(tuple(range(CHANNELS))), label_table(1).shape[1]
    mean, deviation, prior = torch.full((CHANNELS,), 50.0), torch.full((CHANNELS,), 40.0), torch.full((classes,), 0.1)
    network = build_classifier(experiment, "scratch", mean, deviation, prior)
    weights = weights_of("torch", network, plan.backbone, backbone_options(experiment, CHANNELS, classes), channels)
    predict = load(weights, prediction_settings(experiment), slot, lambda images: None)
    images, rows = np.asarray(open_cache(plan.folder / f"predicting-{plan.size}").images), np.arange(plan.rows)
    bare = predict.network
    assert isinstance(bare, nn.Module)
    files = repeated(synthetic_images(plan.folder, plan.pixels), plan.rows)
    folder = plan.folder / f"maps-{slot}"
    folder.mkdir(exist_ok=True)

    @torch.inference_mode()
    def forward(batches: list[torch.Tensor]) -> torch.Tensor:
        with autocast(experiment.train.precision, CPU):
            return torch.cat([bare(batch).float() for batch in batches])

    def from_files() -> None:
        maps = read_into_maps(folder, files, CHANNELS, [plan.size], None, folder / "unreadable.csv")
        predict(np.memmap(maps[plan.size], np.uint8, "r", shape=images.shape), rows)

    def plain_loop() -> None:
        names = list(files.values())
        for start in range(0, plan.rows, 2 * BATCH):
            forward([torch.from_numpy(np.stack([decoded(each, plan.size) for each in names[start : start + 2 * BATCH]]))])

    memory = list(torch.from_numpy(images.copy()).split(2 * BATCH))
    sides = {
        "bare": lambda: forward(memory), "control": lambda: forward(memory), "predictor": lambda: predict(images, rows),
        "files": from_files, "plain loop over files": plain_loop,
    }  # fmt: skip

    def together(work: Callable[[], object]) -> Side:
        side = timed(work)
        return lambda: (meet(), side())[1]

    with redirect_stderr(sys.stderr if slot == 0 else StringIO()):
        return alternate({name: together(work) for name, work in sides.items()}, plan.rounds, plan.backbone)
