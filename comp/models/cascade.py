"""A timm backbone whose last layer also gets auxiliary features: what other models say of the image."""

import torch
from torch import Tensor, nn

from comp.competition.experiments.dependent_experiment import CascadeExperiment
from comp.models.backbone import Classifier, create_backbone, feature_count, start_at


class Cascade(nn.Module):
    """Grey values (B, H, W, C) uint8 and auxiliary features (B, D) in, logits (B, classes) out."""

    def __init__(self, features: Classifier, width: int, aux_count: int, outputs: int) -> None:
        super().__init__()
        self.features = features
        self.norm = nn.BatchNorm1d(aux_count)
        self.head = nn.Linear(width + aux_count, outputs)

    def forward(self, images: Tensor, aux_features: Tensor) -> Tensor:
        return self.head(torch.cat([self.features(images), self.norm(aux_features)], dim=1))


def build_cascade(experiment: CascadeExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor, aux_count: int) -> Cascade:
    """The experiment's network, with initial weights from `source` (see `comp.models.initial_weights.weights_source`).

    Args:
        mean, deviation: (channels,) of the images, in grey values.
        prior: (classes,) shares of images; the biases of the last layer start there.
        aux_count: the number of auxiliary features of an image.

    Raises:
        ConfigError: timm has no such backbone, or its initial weights are not available or do not fit.
    """
    backbone = create_backbone(experiment, source, len(mean), outputs=0)
    network = Cascade(Classifier(backbone, mean, deviation), feature_count(backbone), aux_count, len(prior))
    start_at(network.head, prior)
    return network
