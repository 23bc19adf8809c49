"""Training a classifier with PyTorch, and prediction with it."""

import torch

from comp.base import registry
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.input_channels import statistics
from comp.models.backbone import build_classifier, check_backbone, check_size
from comp.models.initial_weights import weights_source
from comp.models.precision import resolve_precision
from comp.training.torch_loop import begin, fit
from comp.training.torch_predictor import Predictor
from comp.training.trainer import FoldData, Run, Trained

VERSIONS = ("torch", "timm")
IMAGENET = "timm"
CHECKPOINT = "last epoch, averaged weights"


def check(experiment: TorchExperiment, channels: int) -> None:
    """Raise ConfigError if timm has no such backbone, or it cannot take images of that size and number of input channels."""
    check_backbone(experiment)
    check_size(experiment, channels)


def initial_weights_source(experiment: TorchExperiment) -> str:
    return weights_source(experiment.initial_weights, experiment.backbone)


def devices() -> int:
    return torch.cuda.device_count()


def pick_device(slot: int) -> str:
    """The GPU for a slot if there is one, else the CPU."""
    return f"cuda:{slot % devices()}" if torch.cuda.is_available() else "cpu"


def precision(experiment: TorchExperiment, device: str) -> str:
    device = device.partition(":")[0]
    return f"{resolve_precision(experiment.train.precision, torch.device(device))} on {device}"


def train(experiment: TorchExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if it belongs to this run. The averaged network weights predict."""
    device = begin(experiment, run)
    mean, deviation = map(torch.Tensor, statistics(data.images, data.channels))
    model = build_classifier(experiment, run.initial_weights, mean, deviation, torch.Tensor(data.prior()))
    loss = registry.build("losses", experiment.loss)
    averaged, state = fit(model, lambda logits, labels, _: loss(logits.float(), labels), experiment, data, run)
    predict = Predictor(averaged.eval(), experiment, data.channels, device)
    return Trained(predict, state.losses, state.seconds, state.step * experiment.train.batch_size)
