"""What every trainer is given and returns.

A trainer is a module `comp.training.<name>_trainer` with

- `check(experiment, channels, weights)`: raises ConfigError if the network cannot be built for that many input channels, before any work;
  with `weights`, also if its initial weights cannot be had or do not fit;
- `devices()`: how many GPUs it sees; `pick_device(slot)`: the one for a slot, else "cpu";
- `precision(experiment, device)`: the data type and device it computes with; `device_name(device)`: what a person calls that device;
- `train(experiment, data, run)`: returns a `Trained`;
- `VERSIONS`: the packages whose versions the run's record holds;
- `CHECKPOINT`: which network weights of a run predict.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import ConfigError
from comp.base.missing_packages import explained
from comp.base.paths import CURVE, RENDEZVOUS
from comp.base.progress import LogBar
from comp.competition.experiments.experiment import Experiment, NetworkExperiment, RareLabels
from comp.competition.labels import label_priors
from comp.images.batches import Batches, Copies
from comp.images.input_channels import Images, InputChannels, statistics
from comp.images.rare_copies import copies
from comp.inference.settings import PredictionSettings
from comp.inference.weights import Weights

COPIES_STREAM = 1_000_000  # number of the random stream that chooses copies; the streams below it belong to epochs


def trainer_of(experiment: NetworkExperiment) -> ModuleType:
    """The module that trains the experiment's network.

    Raises:
        ConfigError: packages that it needs are missing.
    """
    try:
        return importlib.import_module(f"comp.training.{experiment.trainer}_trainer")
    except ModuleNotFoundError as error:
        if not (missing := explained(error)):
            raise
        raise ConfigError(f"{experiment.model}: {missing.what}", missing.then) from None


def rare_copies(rare: RareLabels, labels: NDArray[np.bool_], seed: tuple[int, ...]) -> NDArray[np.int64]:
    """Which of the training rows with `labels` (N, C) get a changed copy; a row number for each copy."""
    return copies(labels, rare.below, rare.target, np.random.default_rng([*seed, COPIES_STREAM]))


@dataclass(frozen=True)
class FoldData:
    """The image cache of the train table and what is known of its rows. Extra rows, which are trained on only, follow the table's.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: (N, classes).
        train: rows to train on.
        channels: what the network sees of an image.
        ids: (N,) of the images; they decide between equally near neighbours.
        identity: (N,) equal for images of one identity, such as an antibody; None: every image is an identity of its own.
        aux_features: (N, D) further inputs of the network.
        maps: trained networks whose maps are further input channels.
        held_out: rows to validate on while it trains, for the eye only; none are needed.
        table: how many rows are those of the train table, if extra rows follow; None: all.
    """

    images: Images
    labels: NDArray[np.bool_]
    train: NDArray[np.int64]
    channels: InputChannels
    ids: tuple[str, ...] = ()
    identity: NDArray[np.int64] | None = None
    aux_features: NDArray[np.float32] | None = None
    maps: tuple[Weights, ...] = ()
    held_out: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    table: int | None = None

    def statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of each input channel in grey values, of images of the train table.

        With extra rows: of those of them that are trained on. So nothing of a held-out image is in the network, and synthetic images do
        not shift how real ones are normalised.
        """
        return statistics(self.images, self.channels, among=None if self.table is None else self.train[self.train < self.table])

    def prior(self) -> NDArray[np.float64]:
        """(classes,) the share of training images that carry each label, kept from 0 and 1."""
        return label_priors(self.labels[self.train])

    def batches(self, experiment: NetworkExperiment, fold: int) -> Batches:
        """The training batches of a fold, with copies of images with rare labels if the experiment asks for them."""
        seed = (experiment.seed, fold)
        added = None
        if experiment.rare:
            places = rare_copies(experiment.rare, self.labels[self.train], seed)
            added = Copies(self.train[places], registry.build("augmentations", experiment.rare.augmentation))
        identity = np.arange(len(self.images)) if self.identity is None else self.identity
        return Batches(
            self.images, self.labels, identity, self.train, self.channels, experiment.train.batch_size,
            registry.build("samplers", experiment.sampler), registry.build("augmentations", experiment.augmentation), seed, added,
            self.aux_features,
        )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The training of one fold.

    Attributes:
        device: "cpu", or a GPU as the trainer's `pick_device` names it.
        checkpoint: the file where the state is saved, and from which an interrupted run resumes.
        made_from: everything that determines the result, for `what_differs`.
        initial_weights: where they come from, as `comp.models.weight_sources` says.
        minutes: time between checkpoints; the state at the end of the run is always saved.
        position: line of the progress bar, for folds that train side by side.
        restart: ignore a checkpoint that was made from something else; otherwise it is an error.
        rank, processes: which of the processes that train the network together this is; the first one, 0, leads.
    """

    fold: int
    device: str
    checkpoint: Path
    made_from: Mapping[str, Any]
    initial_weights: str
    minutes: float = 5.0
    position: int = 0
    restart: bool = False
    rank: int = 0
    processes: int = 1

    @property
    def rendezvous(self) -> Path:
        """Where the processes that train the network together find each other."""
        return self.checkpoint.with_name(RENDEZVOUS)

    @property
    def curve(self) -> Path:
        """Where losses and scores are written while it trains."""
        return self.checkpoint.with_name(CURVE)

    def bar(self, experiment: NetworkExperiment, per_epoch: int, step: int) -> LogBar:
        """A progress bar in images, for `per_epoch` steps an epoch; `step` steps are done."""
        size, steps = experiment.train.batch_size, per_epoch * experiment.train.epochs
        label = f"{experiment.model} fold {self.fold}"
        return LogBar(desc=label, total=steps * size, initial=step * size, unit="img", position=self.position, leave=False)


def one_view(experiment: NetworkExperiment) -> PredictionSettings:
    """Prediction without test-time augmentation, for a quick look."""
    return replace(prediction_settings(experiment), tta=1)


def prediction_settings(experiment: Experiment) -> PredictionSettings:
    """How the experiment's trained network predicts."""
    batch_size = experiment.predict_batch_size if isinstance(experiment, NetworkExperiment) else None
    return PredictionSettings.of(experiment.model_dump(mode="json"), batch_size)


@dataclass(frozen=True)
class Trained:
    """A trained network, and how it was trained.

    Attributes:
        losses: the mean training loss of each epoch.
        seconds: the training time, without validation; of interrupted runs it counts the time up to their last checkpoint.
        images: how many images were trained on in that time, counted again in every epoch.
        skipped: how many updates were left out because gradients overflowed; None if they cannot.
    """

    weights: Weights
    losses: list[float]
    seconds: float
    images: int
    skipped: int | None = None
