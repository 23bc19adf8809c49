"""What a fold costs, found out by a few steps in one process: seconds, bytes of its files, and memory."""

import io
import threading
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import CompError
from comp.base.machine import peak_memory
from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.inference.weights import WeightsFile
from comp.training.fold_inputs import FoldInputs
from comp.training.fold_job import FoldJob
from comp.training.fold_outputs import FoldResult, write_fold
from comp.training.fold_weights import write_weights
from comp.training.plan_inputs import NO_NETWORK, PlanImages, planned_inputs, unit_vectors
from comp.training.predicting_cost import PredictingCost, device_module, predicting_cost
from comp.training.timed_steps import timed_steps
from comp.training.train_network import fold_data
from comp.training.trainer import Run, Trained, trainer_of
from comp.training.validation import ValidationPlan

FEW = 4  # steps that show how many can be timed
MOST = 300  # timed steps
SCRATCH = "scratch"  # the plan needs no initial weights: they change no cost


@dataclass(frozen=True)
class FoldCost:
    """What a fold costs.

    Attributes:
        start: seconds from the start of its process to its first step.
        training, validation, prediction: seconds, as the fold's record will say.
        step: seconds of a step; there are `steps` of them.
        images: how many are predicted.
        checkpoint, weights, predictions: bytes; predictions are all files but the weights.
        memory: bytes of the process at most.
        gpu: bytes of the GPU at most, and all that it has; None without one.
        device: what a person calls it, and the data type it computes with.
    """

    start: float
    training: float
    validation: float
    prediction: float
    step: float
    steps: int
    images: int
    checkpoint: int
    weights: int
    predictions: int
    memory: int
    gpu: tuple[int, int] | None
    device: str

    @property
    def seconds(self) -> float:
        return self.training + self.validation + self.prediction


@dataclass(frozen=True)
class Measurement:
    """What a process is to measure.

    Attributes:
        folder: for its files.
        asked: when the process was asked for, on the clock of `time.monotonic`.
        slot: its number among those side by side.
        seconds: of timed steps, if they are quick.
    """

    job: FoldJob
    experiment: NetworkExperiment
    images: PlanImages
    folder: Path
    asked: float
    slot: int
    seconds: float


def fold_cost(asked: Measurement, together: threading.Barrier) -> FoldCost:
    """Measure what a fold costs. All processes side by side do so at the same time.

    Raises:
        CompError: training diverged, or a step does not fit into memory.
    """
    try:
        with redirect_stdout(io.StringIO()):
            return _measured(asked, together)
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        what = f"a step of {asked.job.model} does not fit into the memory of the GPU"
        raise CompError(what, f'take smaller batches: SET="train.batch_size={max(asked.experiment.train.batch_size // 2, 1)}"') from None
    finally:
        together.abort()  # whoever still waits goes on alone, or ends with its own error


def _measured(asked: Measurement, together: threading.Barrier) -> FoldCost:
    experiment, trainer = asked.experiment, trainer_of(asked.experiment)
    cv2.setNumThreads(1)
    inputs = planned_inputs(asked.job, experiment, asked.folder)
    device = trainer.pick_device(asked.slot)
    images = asked.images.open()
    extra = None if inputs.extra is None else np.broadcast_to(images[:1], (len(inputs.extra.table.ids), *images.shape[1:]))
    data = fold_data(inputs, experiment, images, extra)  # one image stands for all extra ones: reading them costs little
    run = Run(asked.job.fold, device, inputs.checkpoint, {}, SCRATCH, minutes=float("inf"), position=asked.slot, restart=True)
    together.wait()
    started = time.monotonic() - asked.asked
    few = timed_steps(experiment, data, run, FEW)
    together.wait()
    many, steps = few, len(data.batches(experiment, asked.job.fold)) * experiment.train.epochs
    if (timed := min(int(asked.seconds / few.step), steps, MOST)) > FEW:
        inputs.checkpoint.unlink()
        many = timed_steps(experiment, data, run, timed)
    file = _weights(inputs, experiment, few.trained, trainer.precision(experiment, device))
    predicting = predicting_cost(inputs, experiment, data, file, asked.slot)
    predictions, writing = _files(inputs, experiment, predicting, file)
    looks = ValidationPlan.of(experiment.train.validations, steps, experiment.train.batch_size, data.held_out)
    return FoldCost(
        start=started + few.build,
        training=few.first + steps * many.step,
        validation=len(looks.steps) * len(looks.rows) * many.validated,
        prediction=predicting.seconds + writing,
        step=many.step,
        steps=steps,
        images=predicting.images,
        checkpoint=inputs.checkpoint.stat().st_size,
        weights=inputs.weights.stat().st_size,
        predictions=predictions,
        memory=peak_memory(),
        gpu=device_module(experiment).gpu_memory(device),
        device=f"{trainer.device_name(device)}, {trainer.precision(experiment, device).partition(' ')[0]}",
    )


def _weights(inputs: FoldInputs, experiment: NetworkExperiment, trained: Trained, precision: str) -> WeightsFile:
    """Write the trained network, as training does."""
    made = inputs.provenance(
        seed=experiment.seed, threads=experiment.train.threads, precision=precision, initial_weights=SCRATCH,
        checkpoint=trainer_of(experiment).CHECKPOINT, images=NO_NETWORK,
    )  # fmt: skip
    return write_weights(inputs, trained.weights, made.model_copy(update={"kind": "weights"}).model_dump(mode="json"))


def _files(inputs: FoldInputs, experiment: NetworkExperiment, predicting: PredictingCost, file: WeightsFile) -> tuple[int, float]:
    """Write all files of a fold, with random predictions; returns the bytes of all but the weights, and the seconds."""
    known = {key: file.provenance[key] for key in ("seed", "threads", "precision", "initial_weights", "checkpoint", "images")}
    embeddings = None
    if isinstance(experiment, EmbeddingExperiment):
        count = len(inputs.tables.ids)
        vectors = unit_vectors(count + len(inputs.tables.test_ids), experiment.embedding)
        embeddings = {"train": vectors[:count], "test": vectors[count:]}
    result = FoldResult(
        provenance=inputs.provenance(tta=experiment.tta, **known),
        predict=lambda split, rows: like(predicting.logits, len(rows)),
        embeddings=embeddings,
        voters=predicting.voters,
        seconds=0.0,
        record={"loss_by_epoch": [0.123456789012345] * experiment.train.epochs},
        packages=trainer_of(experiment).VERSIONS,
    )
    began = time.monotonic()
    write_fold(inputs, result, keep=True)
    written = inputs.paths.model(inputs.job.model).iterdir()
    return sum(path.stat().st_size for path in written if path != inputs.weights), time.monotonic() - began


def like(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(count, C) random logits about the mean of `values` (N, C) that use the same bits: those of bf16 take less space in a file."""
    used = np.bitwise_or.reduce(np.ascontiguousarray(values, np.float32).view(np.uint32), axis=None)
    drawn = values.mean(axis=0) + np.random.default_rng(0).standard_normal((count, values.shape[1]), np.float32)
    return (drawn.view(np.uint32) & used).view(np.float32)
