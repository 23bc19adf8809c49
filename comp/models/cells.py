"""Building a network for bags of cells with initial weights, and building a trained one again from its tensors."""

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor

from comp.competition.experiments.cell_experiment import CellExperiment
from comp.models.backbone import create_backbone, feature_count, start_at
from comp.models.cell_network import CellHead, CellNetwork
from comp.models.networks import Classifier

FROZEN_MEAN, FROZEN_DEVIATION = 40.0, 50.0  # grey values that frozen features are made with, of every channel and competition


def build_cell_network(experiment: CellExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor) -> CellNetwork:
    """The experiment's network, with initial weights from `source` (see `comp.models.weight_sources.weights_source`).

    Args:
        mean, deviation: (channels,) of the crops, in grey values.
        prior: (classes,) shares of images; the biases of the last layer start there.

    Raises:
        ConfigError: timm has no such backbone, or its initial weights are not available or do not fit.
    """
    backbone = create_backbone(experiment, source, len(mean), outputs=0)
    sizes = (feature_count(backbone), experiment.hidden, experiment.attention, len(prior))
    head = CellHead(*sizes, experiment.dropout)
    start_at(head.classify, prior)
    return CellNetwork(Classifier(backbone, mean, deviation), head, experiment.frozen)


def trained_cell_network(backbone: str, options: Mapping[str, Any], frozen: bool, tensors: Mapping[str, Tensor]) -> CellNetwork:
    """A trained network in evaluation mode.

    Args:
        backbone, options: the arguments of `timm.create_model`.
        tensors: the state of the whole network.

    Raises:
        RuntimeError: the tensors are not those of this network.
    """
    inner = timm.create_model(backbone, pretrained=False, **options)
    features = Classifier(inner, tensors["features.mean"], tensors["features.deviation"])
    hidden, width = tensors["head.embed.1.weight"].shape
    outputs = len(tensors["head.classify.weight"])
    gates = tensors["head.attention.score.weight"].shape[1] if "head.attention.score.weight" in tensors else 0
    network = CellNetwork(features, CellHead(width, hidden, gates, outputs), frozen)
    network.load_state_dict(tensors)
    return network.to(memory_format=torch.channels_last).eval()
