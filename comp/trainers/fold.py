"""What every trainer is given and gives back.

A trainer is a module `comp.trainers.<name>_trainer` with

- `refuse(experiment, planes)`: raises ConfigError for what cannot be built from that many planes, before any work;
- `first_weights(experiment)`: where the first weights will come from, for the provenance; "scratch" where there are none;
- `devices()`: how many GPUs it sees; `pick_device(slot)`: the one for a slot's turn, else "cpu";
- `precision(experiment, device)`: what it computes in;
- `train(experiment, data, run)`: a `Trained`;
- `VERSIONS`: the packages whose versions the run's record holds;
- `WEIGHTS`: the value of `weights` that means ImageNet's, wherever they can be had;
- `CHOICE`: which of the weights of a run predict.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp import parts
from comp.data.batches import Batches, Copies
from comp.data.planes import Planes
from comp.data.rare import copies
from comp.experiment import NetworkExperiment, RareLabels
from comp.labels import shares
from comp.progress import LogBar

COPYING = 1_000_000  # beside epochs, of which there are fewer, as the number of a random stream


def rare_copies(rare: RareLabels, labels: NDArray[np.bool_], seed: tuple[int, ...]) -> NDArray[np.int64]:
    """Which of the training rows with `labels` (N, C) come again, changed."""
    return copies(labels, rare.below, rare.target, np.random.default_rng([*seed, COPYING]))


@dataclass(frozen=True)
class FoldData:
    """The cache and what is known of its rows.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: (N, classes).
        train: rows to train on.
        planes: what the network sees of an image.
        ids: (N,) of the images, for trainers that need an order of equals.
        identity: (N,) equal for images of one thing, such as an antibody; None: each shows a thing of its own.
        beside: (N, D) what else the network is told of each image.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    train: NDArray[np.int64]
    planes: Planes
    ids: tuple[str, ...] = ()
    identity: NDArray[np.int64] | None = None
    beside: NDArray[np.float32] | None = None

    def prior(self) -> NDArray[np.float64]:
        """(classes,) the share of training images that carry each label, kept from 0 and 1."""
        return shares(self.labels[self.train])

    def batches(self, experiment: NetworkExperiment, fold: int) -> Batches:
        """The training batches of a fold, copies of images with rare labels among them where the experiment asks for them."""
        seed = (experiment.seed, fold)
        added = None
        if experiment.rare:
            places = rare_copies(experiment.rare, self.labels[self.train], seed)
            added = Copies(self.train[places], parts.build("augmentations", experiment.rare.augmentation))
        identity = np.arange(len(self.images)) if self.identity is None else self.identity
        return Batches(
            self.images, self.labels, identity, self.train, self.planes, experiment.train.batch_size,
            parts.build("samplers", experiment.sampler), parts.build("augmentations", experiment.augmentation), seed, added,
            self.beside,
        )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One fold's training.

    Attributes:
        device: "cpu", or a GPU as `pick_device` of the trainer names it.
        checkpoint: where the state is saved, and found by a run that goes on.
        identity: hash of all that determines the result; a checkpoint with another one is not taken over.
        weights: where the first weights come from, as `first_weights` of the trainer says.
        minutes: time between checkpoints; the last one, of the finished run, is always written.
        position: line of the progress bar, for folds that train side by side.
    """

    fold: int
    device: str
    checkpoint: Path
    identity: str
    weights: str
    minutes: float = 5.0
    position: int = 0

    def bar(self, experiment: NetworkExperiment, per_epoch: int, step: int) -> LogBar:
        """A progress bar in images, of `per_epoch` steps an epoch, of which `step` are done."""
        size, steps = experiment.train.batch_size, per_epoch * experiment.train.epochs
        label = f"{experiment.model} fold {self.fold}"
        return LogBar(desc=label, total=steps * size, initial=step * size, unit="img", position=self.position, leave=False)


@dataclass(frozen=True)
class Trained:
    """How a network predicts, and how it came to be.

    Attributes:
        predict: logits (len(rows), classes) float32 of rows of a cache (N, H, W, C) uint8, the mean over the experiment's views; given
            embeddings (N, D) of the same images too, where the experiment stands on some.
        losses: the mean training loss of each epoch.
        seconds: the time that training took, that of runs which were killed included up to their last checkpoint.
        images: how many images were trained on in that time, those that came again counted again.
        embed: embeddings (N, size) float32 of length 1 of all images of a cache, from a network that embeds.
    """

    predict: Callable[..., NDArray[np.float32]]
    losses: list[float]
    seconds: float
    images: int
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None
