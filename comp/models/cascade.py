"""A timm backbone whose last layer also gets auxiliary features: what other models say of the image."""

from collections.abc import Sequence

from torch import Tensor, nn

from comp.competition.experiments.dependent_experiment import CascadeExperiment
from comp.models.backbone import create_backbone, feature_count, start_at
from comp.models.networks import Cascade, Classifier


def build_cascade(
    experiment: CascadeExperiment,
    source: str,
    moments: tuple[Tensor, Tensor],
    prior: Tensor,
    aux_count: int,
    maps: Sequence[nn.Module] = (),
) -> Cascade:
    """The experiment's network, with initial weights from `source` (see `comp.models.weight_sources.weights_source`).

    Args:
        moments: mean and deviation (channels,) of the images and of the maps, in grey values.
        prior: (classes,) shares of images; the biases of the last layer start there.
        aux_count: the number of auxiliary features of an image.
        maps: networks that draw further input channels.

    Raises:
        ConfigError: timm has no such backbone, or its initial weights are not available or do not fit.
    """
    backbone = create_backbone(experiment, source, len(moments[0]), outputs=0)
    network = Cascade(Classifier(backbone, *moments), feature_count(backbone), aux_count, len(prior), maps)
    start_at(network.head, prior)
    return network
