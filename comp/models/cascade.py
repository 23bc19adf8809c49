"""A timm backbone whose last layer is told, beside what it sees, what other models say of the image."""

import torch
from torch import Tensor, nn

from comp.experiment import CascadeExperiment
from comp.models.backbone import Classifier, create_backbone, start_at
from comp.models.embedder import features_of


class Cascade(nn.Module):
    """Grey values (B, H, W, C) uint8 and what is told (B, D) in, logits (B, classes) out."""

    def __init__(self, features: Classifier, width: int, told: int, outputs: int) -> None:
        super().__init__()
        self.features = features
        self.norm = nn.BatchNorm1d(told)
        self.head = nn.Linear(width + told, outputs)

    def forward(self, images: Tensor, told: Tensor) -> Tensor:
        return self.head(torch.cat([self.features(images), self.norm(told)], dim=1))


def build_cascade(experiment: CascadeExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor, told: int) -> Cascade:
    """The experiment's network, with first weights from `source` (see `comp.models.weights.weights_source`).

    Args:
        mean, deviation: (planes,) of the images, in grey values.
        prior: (classes,) shares of images, where the last layer starts.
        told: how many numbers it is told of each image.

    Raises:
        ConfigError: timm has no such backbone, or the weights cannot be had or do not fit it.
    """
    backbone = create_backbone(experiment, source, len(mean), outputs=0)
    network = Cascade(Classifier(backbone, mean, deviation), features_of(backbone), told, len(prior))
    start_at(network.head, prior)
    return network
