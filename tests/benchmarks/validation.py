"""The share of a run's time that validation takes, with as many validated images as a run has at most: a tenth of those trained on."""

import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import cv2
import numpy as np

from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.images.cache import open_cache
from comp.images.input_channels import InputChannels
from comp.training.curve import validation_seconds
from comp.training.torch_trainer import train
from comp.training.trainer import FoldData, Run
from comp.training.validation import SHARE
from tests.benchmarks.inputs import PIXELS, filled, label_table, repeated, synthetic_images
from tests.benchmarks.results import Result
from tests.benchmarks.training import BACKBONES, BATCH

LIMIT = 0.05


def measure(
    folder: Path, backbones: tuple[str, ...] = BACKBONES, size: int = 128, pixels: int = PIXELS, rows: int = 2000, limit: float = LIMIT
) -> list[Result]:
    """Train on `rows` images once, and validate in the end on a tenth as many."""
    cv2.setNumThreads(1)
    held_out = round(SHARE * rows)
    filled(folder / f"validation-{size}", repeated(synthetic_images(folder, pixels), rows + held_out), size)
    images = open_cache(folder / f"validation-{size}").images
    every = np.arange(len(images))
    data = FoldData(images, label_table(len(images)), every[:rows], InputChannels((0, 1, 2, 3)), held_out=every[rows:])
    results = []
    for backbone in backbones:
        experiment = TorchExperiment(
            model=backbone, backbone=backbone, initial_weights="scratch", size=size,
            train=TorchTraining(epochs=1, batch_size=BATCH, validate=1),
        )  # fmt: skip
        run = Run(0, "cpu", folder / f"validation-{backbone}" / "checkpoint", {"run": "bench"}, "scratch", float("inf"))
        with redirect_stderr(sys.stderr if sys.stderr.isatty() else StringIO()):
            trained = train(experiment, data, run)
        validated = validation_seconds(run.curve)
        share = validated / (trained.seconds + validated)
        note = f"{held_out} images validated in {validated:.1f} s, {rows} trained on in {trained.seconds:.1f} s, on one core"
        name = f"{backbone} {size} px, time: validation / validation and training"
        results.append(Result(name, f"{share:.3f}", "", f"<= {limit:g}", share <= limit, note))
    return results
