"""A timm backbone that embeds images: those of one identity lie close together on a sphere, others far apart."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.models.backbone import Classifier, create_backbone, feature_count, start_at


class Embedder(nn.Module):
    """Grey values (B, H, W, C) uint8 in; embeddings (B, size) of length 1 out, and logits (B, classes) if there is a second head.

    `metric_loss` is the loss of the embeddings. It belongs to the network because it may have parameters of its own.
    """

    def __init__(self, features: Classifier, width: int, size: int, metric_loss: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.features = features
        self.embed = nn.Sequential(nn.Linear(width, size, bias=False), nn.BatchNorm1d(size))
        self.metric_loss = metric_loss
        self.head = head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):  # bf16 is too coarse to tell near-duplicates apart
            embeddings = self.embed(features.float())
        return normalize(embeddings), None if self.head is None else self.head(features)


def build_embedder(
    experiment: MetricExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor, metric_loss: Callable[[int], nn.Module]
) -> Embedder:
    """The experiment's network, with initial weights from `source` (see `comp.models.initial_weights.weights_source`).

    Args:
        mean, deviation: (channels,) of the images, in grey values.
        prior: (classes,) shares of images; the biases of the second head start there.
        metric_loss: makes the loss of embeddings of a given size.

    Raises:
        ConfigError: timm has no such backbone, or its initial weights are not available or do not fit.
    """
    backbone = create_backbone(experiment, source, len(mean), outputs=0)
    width = feature_count(backbone)
    head = nn.Linear(width, len(prior)) if experiment.classification else None
    if head is not None:
        start_at(head, prior)
    loss = metric_loss(experiment.embedding)  # after the head and before the embedding layer: the order decides their random numbers
    return Embedder(Classifier(backbone, mean, deviation), width, experiment.embedding, loss, head)
