"""The bare loop: only the trainer's arithmetic. The time the trainer needs beyond it is the cost of everything else."""

from collections.abc import Iterator
from time import perf_counter

import torch
from timm.optim import param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp.base import registry
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.input_channels import statistics
from comp.images.torch_batches import Batch
from comp.models.backbone import Classifier, build_classifier
from comp.models.precision import autocast
from comp.training.torch_optimizer import learning_rate
from comp.training.trainer import FoldData

CPU = torch.device("cpu")
READY = 8  # batches in memory, used in turn


class BareLoop:
    """One epoch of an experiment on a device, with the network that the trainer builds for fold 0."""

    def __init__(self, experiment: TorchExperiment, data: FoldData, device: torch.device = CPU) -> None:
        self.settings, self.device = experiment.train, device
        self.steps = max(len(data.train) // self.settings.batch_size, 1)
        self.done = 0
        torch.manual_seed(experiment.seed * 1000)
        mean, deviation = map(torch.Tensor, statistics(data.images, data.channels))
        model = build_classifier(experiment, "scratch", mean, deviation, torch.Tensor(data.prior()))
        self.model = model.to(device).to(memory_format=torch.channels_last).train()
        self.ema = ModelEmaV3(self.model, decay=self.settings.ema, use_warmup=True)
        self.optimizer = torch.optim.AdamW(
            param_groups_weight_decay(self.model, self.settings.weight_decay), lr=self.settings.lr, fused=True
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.settings.precision == "fp16")
        if self.settings.compile:
            self.model.backbone.compile()
        self.loss_function = registry.build("losses", experiment.loss)

    def step(self, network: nn.Module, images: Tensor, labels: Tensor) -> None:
        """One step on a batch. `network` is `self.model`, which takes grey values, or its backbone, which takes normalised images."""
        warmup = min(round(self.steps * self.settings.warmup_epochs), self.steps * self.settings.epochs // 2)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.done, self.steps, warmup, self.settings.lr)
        with autocast(self.settings.precision, self.device):
            logits = network(images)
        loss = self.loss_function(logits.float(), labels)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.done += 1
        self.ema.update(self.model, step=self.done)

    def seconds(self, network: nn.Module, batches: Iterator[Batch], steps: int) -> float:
        """The seconds of `steps` steps, each with the wait for the next batch. One more batch is taken before the clock starts."""
        batch = next(batches)
        started = perf_counter()
        for _ in range(steps):
            self.step(network, *batch)
            batch = next(batches)
        finish(self.device)
        return perf_counter() - started


def finish(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def batches_in_memory(model: Classifier, data: FoldData, size: int) -> list[Batch]:
    """The first batches, normalised float32 (B, C, H, W) in channels-last order, on the device of the model."""
    batches: list[Batch] = []
    for start in range(0, min(READY * size, len(data.train) - size + 1), size):
        rows = data.train[start : start + size]
        images = (torch.from_numpy(data.channels.read(data.images, rows)).to(model.mean.device).float() - model.mean) / model.deviation
        batches.append((images.permute(0, 3, 1, 2), torch.from_numpy(data.labels[rows]).float().to(images.device)))
    return batches
