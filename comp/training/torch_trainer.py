"""Training a classifier with PyTorch, and prediction with it."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comp.base import registry
from comp.base.errors import ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.inference.torch_device import device_name as device_name
from comp.inference.torch_device import devices as devices
from comp.inference.torch_device import pick_device as pick_device
from comp.inference.torch_network import Predictor, weights_of
from comp.metrics.macro_f1 import macro_f1
from comp.models.backbone import backbone_options, build_classifier, check_backbone, check_initial_weights, check_size
from comp.models.precision import resolve_precision
from comp.training.monitor import Scores
from comp.training.torch_loop import begin, fit
from comp.training.torch_optimizer import check_optimizer
from comp.training.trainer import FoldData, Run, Trained, one_view

Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and labels (B, classes)
VERSIONS = ("torch", "timm")
CHECKPOINT = "last epoch, averaged weights"


def check(experiment: TorchExperiment, channels: int, weights: bool) -> None:
    """Raise ConfigError if timm has no such backbone, it cannot take such images, or its initial weights cannot be had or do not fit."""
    check_optimizer(experiment)
    check_devices(experiment)
    check_backbone(experiment)
    check_size(experiment, channels)
    if weights:
        check_initial_weights(experiment, channels)


def check_devices(experiment: TorchExperiment) -> None:
    """Raise ConfigError if there are fewer GPUs than are to train one network; without any, that many processes train it."""
    asked, there = experiment.train.devices, devices()
    if 0 < there < asked:
        raise ConfigError(f"train.devices is {asked}, and this machine has {there} GPU{'s' * (there > 1)}", f'SET="train.devices={there}"')


def precision(experiment: TorchExperiment, device: str) -> str:
    device = device.partition(":")[0]
    return f"{resolve_precision(experiment.train.precision, torch.device(device))} on {device}"


def train(experiment: TorchExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if it belongs to this run. The averaged network weights predict."""
    device = begin(experiment, run)
    mean, deviation = map(torch.Tensor, data.statistics())
    model = build_classifier(experiment, run.initial_weights, mean, deviation, torch.Tensor(data.prior()))
    loss = registry.build("losses", experiment.loss)

    def validate(network: nn.Module, rows: NDArray[np.int64]) -> Scores:
        logits = Predictor(network, one_view(experiment), data.channels, device)(data.images, rows)
        return classifier_scores(logits, data.labels[rows], loss)

    averaged, state = fit(model, lambda logits, labels, _: loss(logits.float(), labels), experiment, data, run, validate)
    options = backbone_options(experiment, len(data.channels), data.labels.shape[1])
    weights = weights_of("torch", averaged, experiment.backbone, options, data.channels)
    return state.trained(weights)


def classifier_scores(logits: NDArray[np.float32], labels: NDArray[np.bool_], loss: Loss) -> Scores:
    """The loss, and macro F1 at threshold 0.5, of logits and labels (N, classes)."""
    found = loss(torch.from_numpy(logits), torch.from_numpy(labels).float())
    return {"validation_loss": float(found), "macro_f1": macro_f1(labels, logits > 0)}
