"""A timm backbone that embeds: images of one thing lie close together on a sphere, others apart."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from comp import parts
from comp.experiment import MetricExperiment
from comp.models.backbone import Classifier, create_backbone, start_at


class Embedder(nn.Module):
    """Grey values (B, H, W, C) uint8 in; embeddings (B, size) of length 1 out, and logits (B, classes) where there is a second head.

    `metric` is the loss of the embeddings, which may learn with the network.
    """

    def __init__(self, features: Classifier, width: int, size: int, metric: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.features = features
        self.embed = nn.Sequential(nn.Linear(width, size, bias=False), nn.BatchNorm1d(size))
        self.metric = metric
        self.head = head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):  # eight bits would do for no near-duplicate
            embeddings = self.embed(features.float())
        return normalize(embeddings), None if self.head is None else self.head(features)


def build_embedder(experiment: MetricExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor, identities: int) -> Embedder:
    """The experiment's network, with first weights from `source` (see `comp.models.weights.weights_source`).

    Args:
        mean, deviation: (planes,) of the images, in grey values.
        prior: (classes,) shares of images, where the second head starts.
        identities: how many things there are to tell apart.

    Raises:
        ConfigError: timm has no such backbone, or the weights cannot be had or do not fit it.
    """
    backbone = create_backbone(experiment, source, len(mean), outputs=0)
    width = features_of(backbone)
    head = nn.Linear(width, len(prior)) if experiment.classification else None
    if head is not None:
        start_at(head, prior)
    metric = parts.build("metric_losses", experiment.metric)(identities, experiment.embedding)
    return Embedder(Classifier(backbone, mean, deviation), width, experiment.embedding, metric, head)


def features_of(backbone: nn.Module) -> int:
    """How many pooled features a network of timm ends with; some have a layer between their maps and the classifier."""
    known: dict[str, Any] = {key: getattr(backbone, key, None) for key in ("head_hidden_size", "num_features")}
    return int(known["head_hidden_size"] or known["num_features"])
