"""Training a classifier with PyTorch, and prediction with it."""

from functools import partial

import torch

from comp import parts
from comp.data.planes import statistics
from comp.experiment import TorchExperiment
from comp.models.backbone import build_classifier, refuse_size, refuse_unknown_backbone, resolve_precision
from comp.models.weights import weights_source
from comp.trainers.fold import FoldData, Run, Trained
from comp.trainers.torch_loop import begin, fit, over_rows

VERSIONS = ("torch", "timm")
WEIGHTS = "timm"
CHOICE = "last epoch, averaged weights"


def refuse(experiment: TorchExperiment, planes: int) -> None:
    """Raise ConfigError if timm has no such backbone, or it cannot take images of that size."""
    refuse_unknown_backbone(experiment)
    refuse_size(experiment, planes)


def first_weights(experiment: TorchExperiment) -> str:
    return weights_source(experiment.weights, experiment.backbone)


def devices() -> int:
    return torch.cuda.device_count()


def pick_device(slot: int) -> str:
    """The GPU for the slot's turn, where there is one; else the CPU."""
    return f"cuda:{slot % devices()}" if torch.cuda.is_available() else "cpu"


def precision(experiment: TorchExperiment, device: str) -> str:
    device = device.partition(":")[0]
    return f"{resolve_precision(experiment.train.precision, torch.device(device))} on {device}"


def train(experiment: TorchExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if that is of this run; the averaged weights predict."""
    device = begin(experiment, run)
    mean, deviation = map(torch.Tensor, statistics(data.images, data.planes))
    model = build_classifier(experiment, run.weights, mean, deviation, torch.Tensor(data.prior()))
    loss = parts.build("losses", experiment.loss)
    averaged, state = fit(model, lambda logits, labels, _: loss(logits.float(), labels), experiment, data, run)
    predict = partial(over_rows, averaged.eval(), experiment, data.planes, device)
    return Trained(predict, state.losses, state.seconds, state.step * experiment.train.batch_size)
