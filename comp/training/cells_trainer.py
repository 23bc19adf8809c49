"""Training a network on bags of cells: its backbone too, or only its last layers on features that are computed once."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from comp.base import registry
from comp.base.errors import ConfigError
from comp.competition.experiments.cell_experiment import CellExperiment
from comp.images.bags import Bags
from comp.images.input_channels import statistics
from comp.inference.cells_network import CellPredictor, every_feature, feature_predictor
from comp.inference.frozen_features import frozen_features
from comp.inference.torch_network import weights_of
from comp.models.backbone import backbone_options
from comp.models.cell_network import CellHead, CellNetwork
from comp.models.cells import FROZEN_DEVIATION, FROZEN_MEAN, build_cell_network
from comp.training import torch_trainer
from comp.training.monitor import Scores
from comp.training.torch_checkpoint import TrainingState
from comp.training.torch_loop import begin, fit
from comp.training.torch_trainer import CHECKPOINT as CHECKPOINT
from comp.training.torch_trainer import VERSIONS as VERSIONS
from comp.training.torch_trainer import Loss, classifier_scores
from comp.training.torch_trainer import device_name as device_name
from comp.training.torch_trainer import devices as devices
from comp.training.torch_trainer import pick_device as pick_device
from comp.training.torch_trainer import precision as precision
from comp.training.trainer import FoldData, Run, Trained, one_view

MOST = 20_000  # cells that features are normalised by
SMALLEST = 1e-3  # deviation that a feature is divided by
NOT_FROZEN = {"augmentation": {"name": "none"}, "tta": 1, "rare": None}  # frozen features are of crops as they are


def check(experiment: CellExperiment, channels: int, weights: bool) -> None:
    """Raise ConfigError if the network cannot be built, or settings ask for changed crops and their features are frozen."""
    torch_trainer.check(experiment, channels, weights)
    if not experiment.frozen:
        return
    for key, value in NOT_FROZEN.items():
        if getattr(experiment, key) != value:
            then = 'SET="augmentation.name=none tta=1" and no `rare`, or train the backbone too: SET="frozen=false"'
            raise ConfigError(f"{experiment.model}: frozen features are of crops as they are, and `{key}` changes them", then)


def train(experiment: CellExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if it belongs to this run. The averaged network weights predict.

    Args:
        data: its `images` are bags of crops.
    """
    device = begin(experiment, run)
    assert isinstance(data.images, Bags)
    if experiment.frozen:
        mean, deviation = (np.full(len(data.channels), value) for value in (FROZEN_MEAN, FROZEN_DEVIATION))
    else:
        mean, deviation = statistics(data.images.items, data.channels, among=data.images.places(data.train))
    model = build_cell_network(experiment, run.initial_weights, torch.Tensor(mean), torch.Tensor(deviation), torch.Tensor(data.prior()))
    state = (_fit_head if experiment.frozen else _fit_all)(model, experiment, data, run, device)
    options = backbone_options(experiment, len(data.channels), 0)
    weights = weights_of("cells", model, experiment.backbone, options, data.channels)
    return state.trained(replace(weights, network={**weights.network, "frozen": experiment.frozen}))


def _fit_all(model: CellNetwork, experiment: CellExperiment, data: FoldData, run: Run, device: torch.device) -> TrainingState:
    """Train backbone and last layers; `model` gets the averaged weights."""
    loss: Loss = registry.build("losses", experiment.loss)

    def validate(network: nn.Module, rows: NDArray[np.int64]) -> Scores:
        assert isinstance(network, CellNetwork)
        assert isinstance(data.images, Bags)
        logits = CellPredictor(network, one_view(experiment), data.channels, device)(data.images, rows)
        return classifier_scores(logits, data.labels[rows], loss)

    averaged, state = fit(model, lambda logits, labels, _: loss(logits, labels), experiment, data, run, validate)
    model.load_state_dict(averaged.state_dict())
    return state


def _fit_head(model: CellNetwork, experiment: CellExperiment, data: FoldData, run: Run, device: torch.device) -> TrainingState:
    """Train the last layers on features of the backbone; `model` gets the averaged weights."""
    loss: Loss = registry.build("losses", experiment.loss)
    assert isinstance(data.images, Bags)
    features = frozen_features(data.images, model.features, data.channels, device)
    normalise(model.head, features, data.train)

    def validate(network: nn.Module, rows: NDArray[np.int64]) -> Scores:
        return classifier_scores(
            feature_predictor(network, one_view(experiment), features, device)(features, rows), data.labels[rows], loss
        )

    of_features = replace(data, images=features, channels=every_feature(features))
    averaged, state = fit(model.head, lambda logits, labels, _: loss(logits, labels), experiment, of_features, run, validate)
    model.head.load_state_dict(averaged.state_dict())
    return state


def normalise(head: CellHead, features: Bags, rows: NDArray[np.int64]) -> None:
    """Let the last layers see each feature with mean 0 and deviation 1 over the cells of the images `rows`, or `MOST` of them."""
    places = features.places(rows)
    values = np.asarray(features.items[places[:: -(-len(places) // MOST)]], np.float64)
    head.centre.copy_(torch.from_numpy(values.mean(axis=0)))
    head.spread.copy_(torch.from_numpy(np.maximum(values.std(axis=0), SMALLEST)))
