"""Training a network whose last layer also gets auxiliary features of the image: its embedding and its neighbours' votes.

With `maps`, networks of the same fold, and the packaged segmenter, also draw further input channels from each image, after it is augmented.

The embeddings come from the networks of the same fold, and only images that both were trained on vote: no label of a held-out image is
used. An image that is trained on has no vote on itself. Still, the embedding networks were trained on it, so its votes are nearer to the
truth than those on a held-out image. Hiding the features of half of the images in training did not help (`oof/LOG.md`).
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comp.base import registry
from comp.cells.input_maps import MAPS, at_scale_of
from comp.competition.experiments.dependent_experiment import SEGMENTER, CascadeExperiment
from comp.inference.torch_network import Predictor, weights_of
from comp.models.backbone import backbone_options
from comp.models.cascade import build_cascade
from comp.models.networks import trained_maps
from comp.neighbours.nearest import Floats
from comp.neighbours.votes import Voters
from comp.training import torch_trainer
from comp.training.monitor import Scores
from comp.training.torch_loop import begin, check_batch_size, fit
from comp.training.torch_trainer import CHECKPOINT as CHECKPOINT
from comp.training.torch_trainer import VERSIONS as VERSIONS
from comp.training.torch_trainer import classifier_scores
from comp.training.torch_trainer import device_name as device_name
from comp.training.torch_trainer import devices as devices
from comp.training.torch_trainer import pick_device as pick_device
from comp.training.torch_trainer import precision as precision
from comp.training.trainer import FoldData, Run, Trained, one_view


def check(experiment: CascadeExperiment, channels: int, weights: bool) -> None:
    """Raise ConfigError if the network cannot be built, or cannot normalise its auxiliary features."""
    of_maps = channels * len(experiment.drawing) + MAPS * (SEGMENTER in experiment.maps)
    torch_trainer.check(experiment, channels + of_maps, weights)
    check_batch_size(experiment)


def train(experiment: CascadeExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if it belongs to this run. The averaged network weights predict.

    Args:
        data: its `aux_features` are the embeddings (N, D) of all images, its `maps` the networks that draw maps.
    """
    device = begin(experiment, run)
    assert data.aux_features is not None
    vectors = data.aux_features
    voters = Voters(vectors[data.train], data.labels[data.train], [data.ids[row] for row in data.train])
    features = np.concatenate([voters.vectors, voters.logits_of_voters(experiment.votes)], axis=1)
    in_training = np.zeros((len(data.images), features.shape[1]), np.float32)
    in_training[data.train] = features
    maps, moments = _maps(data)
    model = build_cascade(experiment, run.initial_weights, moments, torch.Tensor(data.prior()), features.shape[1], maps)
    loss = registry.build("losses", experiment.loss)
    with_features = replace(data, aux_features=in_training)

    def features_of(vectors: Floats) -> Floats:
        return np.concatenate([vectors, voters.logits(vectors, experiment.votes)], axis=1)

    def validate(network: nn.Module, rows: NDArray[np.int64]) -> Scores:
        predictor = Predictor(network, one_view(experiment), data.channels, device)
        return classifier_scores(predictor(data.images, rows, features_of(vectors[rows])), data.labels[rows], loss)

    averaged, state = fit(model, lambda logits, labels, _: loss(logits.float(), labels), experiment, with_features, run, validate)
    weights = weights_of("cascade", averaged, experiment.backbone, backbone_options(experiment, len(moments[0]), 0), data.channels)
    if data.maps:
        weights = replace(weights, network={**weights.network, "maps": [drawing.network for drawing in data.maps]})
    return state.trained(weights)


def _maps(data: FoldData) -> tuple[list[nn.Module], tuple[Tensor, Tensor]]:
    """The networks that draw maps, and the mean and deviation of all input channels: those of the images, then those of each network."""
    drawing = [at_scale_of(each, data.images, data.train) if each.trainer == SEGMENTER else each for each in data.maps]
    tensors = [{name: torch.from_numpy(values) for name, values in each.tensors.items()} for each in drawing]
    moments = [tuple(map(torch.Tensor, data.statistics())), *((own["mean"], own["deviation"]) for own in tensors)]
    mean, deviation = (torch.cat([each[place] for each in moments]) for place in (0, 1))
    return trained_maps([each.network for each in drawing], tensors), (mean, deviation)
