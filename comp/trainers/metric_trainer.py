"""Training a network that embeds, and prediction by the neighbours of an image among those it was trained on."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comp import parts
from comp.data.planes import statistics
from comp.errors import CompError, ConfigError
from comp.experiment import MetricExperiment
from comp.models.embedder import Embedder, build_embedder
from comp.neighbour_votes import Voters
from comp.neighbours import Floats
from comp.trainers import torch_trainer
from comp.trainers.fold import FoldData, Run, Trained
from comp.trainers.torch_loop import begin, fit, over_rows, refuse_single_images
from comp.trainers.torch_trainer import CHOICE as CHOICE
from comp.trainers.torch_trainer import WEIGHTS as WEIGHTS
from comp.trainers.torch_trainer import devices as devices
from comp.trainers.torch_trainer import first_weights as first_weights
from comp.trainers.torch_trainer import pick_device as pick_device
from comp.trainers.torch_trainer import precision as precision

VERSIONS = (*torch_trainer.VERSIONS, "pytorch_metric_learning")
COLLAPSED = 1 - 1e-4  # similarity of all images, within rounding to bf16, that tells nothing apart


def refuse(experiment: MetricExperiment, planes: int) -> None:
    """Raise ConfigError if the network cannot be built, or its loss would see no two images of one thing."""
    torch_trainer.refuse(experiment, planes)
    refuse_single_images(experiment)
    together = experiment.sampler.get("images", 4)
    if experiment.sampler["name"] == "identities" and experiment.train.batch_size < 2 * together:
        what = f"a batch of {experiment.train.batch_size} has less than two things of {together} images each to tell apart"
        raise ConfigError(what, f'use SET="train.batch_size={2 * together}" or more')


def train(experiment: MetricExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if that is of this run; neighbours in the averaged network's embedding predict."""
    device = begin(experiment, run)
    mean, deviation = map(torch.Tensor, statistics(data.images, data.planes))
    assert data.identity is not None
    known, number = np.unique(data.identity[data.train], return_inverse=True)
    if len(known) < 2:
        what = f"{experiment.model}: all images that fold {run.fold} is trained on are of one thing ({experiment.identity})"
        raise ConfigError(what, "choose what it tells apart: identity: labels, or groups, in its YAML")
    numbered = np.full(len(data.images), -1)
    numbered[data.train] = number
    model = build_embedder(experiment, run.weights, mean, deviation, torch.Tensor(data.prior()), len(known))
    averaged, state = fit(model, Criterion(experiment, model), experiment, replace(data, identity=numbered), run)
    neighbours = Neighbours(averaged.eval(), experiment, data, device)
    return Trained(neighbours.predict, state.losses, state.seconds, state.step * experiment.train.batch_size, neighbours.embed)


class Criterion:
    """The loss of the embeddings, and that of the second head where there is one, weighted."""

    def __init__(self, experiment: MetricExperiment, model: Embedder) -> None:
        self.metric, self.weight = model.metric, experiment.classification
        self.loss = parts.build("losses", experiment.loss)

    def __call__(self, output: tuple[Tensor, Tensor | None], labels: Tensor, identity: Tensor) -> Tensor:
        embeddings, logits = output
        loss: Tensor = self.metric(embeddings, identity)
        return loss if logits is None else loss + self.weight * self.loss(logits.float(), labels)


class Neighbours:
    """Predicts by the neighbours among the images of `data` that were trained on."""

    def __init__(self, model: nn.Module, experiment: MetricExperiment, data: FoldData, device: torch.device) -> None:
        self.model, self.experiment, self.data, self.device = model, experiment, data, device
        self.embedded: list[tuple[NDArray[np.uint8], Floats]] = []

    def embed(self, images: NDArray[np.uint8]) -> Floats:
        """(N, embedding) of length 1, for all images of a cache; computed once."""
        for known, embeddings in self.embedded:
            if known is images:
                return embeddings
        rows = np.arange(len(images))
        mean = over_rows(lambda batch: self.model(batch)[0], self.experiment, self.data.planes, self.device, images, rows)
        with np.errstate(invalid="ignore"):
            embeddings = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        if not np.isfinite(embeddings).all():
            raise CompError(f"{self.experiment.model}: the embeddings are not finite", 'it diverges; lower the rate: SET="train.lr=..."')
        if images is self.data.images and (embeddings @ embeddings[0]).min() > COLLAPSED:
            what = f"{self.experiment.model}: all images have the same embedding"
            raise CompError(what, 'the loss has collapsed; lower the rate, or take another one: SET="metric.name=arcface"')
        self.embedded.append((images, embeddings))
        return embeddings

    def predict(self, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> Floats:
        data = self.data
        voters = Voters(self.embed(data.images)[data.train], data.labels[data.train], [data.ids[row] for row in data.train])
        return voters.on(self.embed(images)[rows], self.experiment.votes)
