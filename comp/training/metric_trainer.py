"""Training a network that embeds images with a metric loss, and prediction by the votes of the nearest training images."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comp.base import registry
from comp.base.errors import CompError, ConfigError
from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.inference.torch_network import Predictor, weights_of
from comp.metrics.average_precision import average_precision
from comp.models.backbone import backbone_options
from comp.models.embedder import build_embedder
from comp.models.networks import Embedder
from comp.neighbours.nearest import Floats
from comp.neighbours.votes import Voters
from comp.training import torch_trainer
from comp.training.diverged import what_to_lower
from comp.training.monitor import Scores
from comp.training.torch_loop import begin, check_batch_size, fit
from comp.training.torch_trainer import CHECKPOINT as CHECKPOINT
from comp.training.torch_trainer import device_name as device_name
from comp.training.torch_trainer import devices as devices
from comp.training.torch_trainer import pick_device as pick_device
from comp.training.torch_trainer import precision as precision
from comp.training.trainer import FoldData, Run, Trained, one_view

VERSIONS = (*torch_trainer.VERSIONS, "pytorch_metric_learning")
CHECKED = 256  # training images whose embeddings are looked at after training
COLLAPSED = 1 - 1e-4  # if all images are more similar than this, nothing is told apart: the rest is rounding to bf16


def check(experiment: MetricExperiment, channels: int, weights: bool) -> None:
    """Raise ConfigError if the network cannot be built, or its batches cannot hold two identities."""
    torch_trainer.check(experiment, channels, weights)
    check_batch_size(experiment)
    together = experiment.sampler.get("images", 4)
    if experiment.sampler["name"] == "identities" and experiment.train.batch_size < 2 * together:
        what = f"a batch of {experiment.train.batch_size} holds fewer than two identities of {together} images each"
        raise ConfigError(what, f'use SET="train.batch_size={2 * together}" or more')


def train(experiment: MetricExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if it belongs to this run. Neighbours in the averaged network's embedding predict."""
    device = begin(experiment, run)
    mean, deviation = map(torch.Tensor, data.statistics())
    assert data.identity is not None
    known, number = np.unique(data.identity[data.train], return_inverse=True)
    if len(known) < 2:
        what = f"{experiment.model}: all training images of fold {run.fold} have the same identity ({experiment.identity})"
        raise ConfigError(what, "choose another one in its YAML: `identity: labels` or `identity: groups`")
    numbered = np.full(len(data.images), -1)
    numbered[data.train] = number
    metric_loss = partial(registry.build("metric_losses", experiment.metric), len(known))
    model = build_embedder(experiment, run.initial_weights, mean, deviation, torch.Tensor(data.prior()), metric_loss)

    def validate(network: nn.Module, rows: NDArray[np.int64]) -> Scores:
        embedder = Predictor(embedding_of(network), one_view(experiment), data.channels, device)
        return vote_scores(embedder(data.images, rows), data, rows, experiment)

    averaged, state = fit(model, Criterion(experiment, model), experiment, replace(data, identity=numbered), run, validate)
    check_embeddings(Predictor(embedding_of(averaged.eval()), one_view(experiment), data.channels, device), experiment, data)
    weights = weights_of("metric", averaged, experiment.backbone, backbone_options(experiment, len(data.channels), 0), data.channels)
    return state.trained(weights)


class Criterion:
    """The metric loss of the embeddings, plus the weighted loss of the second head if there is one."""

    def __init__(self, experiment: MetricExperiment, model: Embedder) -> None:
        self.metric_loss, self.weight = model.metric_loss, experiment.classification
        self.loss = registry.build("losses", experiment.loss)

    def __call__(self, output: tuple[Tensor, Tensor | None], labels: Tensor, identity: Tensor) -> Tensor:
        embeddings, logits = output
        loss: Tensor = self.metric_loss(embeddings, identity)
        return loss if logits is None else loss + self.weight * self.loss(logits.float(), labels)


def embedding_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network's embeddings, without the logits of its second head."""
    return lambda images: network(images)[0]


def check_embeddings(embed: Predictor, experiment: MetricExperiment, data: FoldData) -> None:
    """Check that the embeddings of some training images are finite and tell images apart.

    Raises:
        CompError: they do not.
    """
    embeddings = embed(data.images, data.train[:: max(len(data.train) // CHECKED, 1)])
    if not np.isfinite(embeddings).all():
        what = f"{experiment.model}: training diverged, the embeddings are not finite"
        raise CompError(what, what_to_lower(experiment, embed.device.type))
    if (embeddings @ embeddings[0]).min() > COLLAPSED:
        what = f"{experiment.model}: all images have the same embedding"
        raise CompError(what, 'the loss has collapsed; lower the learning rate, or choose another loss: SET="metric.name=arcface"')


def vote_scores(vectors: Floats, data: FoldData, rows: NDArray[np.int64], experiment: MetricExperiment) -> Scores:
    """How well validated images vote on each other: the mean average precision of the votes, over the classes that some of them carry.

    Their identities are unknown to the metric loss, so that there is no validation loss.

    Args:
        vectors: (len(rows), D) embeddings, not normalised.
    """
    with np.errstate(invalid="ignore"):
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = data.labels[rows]
    if len(rows) < 2 or not labels.any() or not np.isfinite(vectors).all():
        return {}
    votes = Voters(vectors, labels, [data.ids[row] for row in rows]).logits_of_voters(experiment.votes)
    carried = np.flatnonzero(labels.any(axis=0))
    return {"votes_average_precision": float(np.mean([average_precision(votes[:, column], labels[:, column]) for column in carried]))}
