"""A timm backbone whose last layer also gets auxiliary features: what other models say of the image."""

from torch import Tensor

from comp.competition.experiments.dependent_experiment import CascadeExperiment
from comp.models.backbone import create_backbone, feature_count, start_at
from comp.models.networks import Cascade, Classifier


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
