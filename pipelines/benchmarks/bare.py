"""The bare loop: the trainer's arithmetic and nothing else. What the trainer loses against it is what surrounds the arithmetic."""

from collections.abc import Iterator
from time import perf_counter

import torch
from timm.optim import param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp import parts
from comp.data.planes import statistics
from comp.data.torch_data import Batch
from comp.experiment import TorchExperiment
from comp.models.backbone import Classifier, build_classifier
from comp.trainers.fold import FoldData
from comp.trainers.torch_loop import autocast, learning_rate

CPU = torch.device("cpu")
READY = 8  # batches in memory that are used in turn


class BareLoop:
    """One epoch of an experiment on the CPU, with the network the trainer builds for fold 0."""

    def __init__(self, experiment: TorchExperiment, data: FoldData) -> None:
        self.settings = experiment.train
        self.steps = max(len(data.train) // self.settings.batch_size, 1)
        self.done = 0
        torch.manual_seed(experiment.seed * 1000)
        mean, deviation = map(torch.Tensor, statistics(data.images, data.planes))
        model = build_classifier(experiment, "scratch", mean, deviation, torch.Tensor(data.prior()))
        self.model = model.to(memory_format=torch.channels_last).train()
        self.ema = ModelEmaV3(self.model, decay=self.settings.ema, use_warmup=True)
        self.optimizer = torch.optim.AdamW(
            param_groups_weight_decay(self.model, self.settings.weight_decay), lr=self.settings.lr, fused=True
        )
        self.loss_function = parts.build("losses", experiment.loss)

    def step(self, network: nn.Module, images: Tensor, labels: Tensor) -> None:
        """One step on a batch that `network` takes: `self.model` grey values, its backbone what is normalised already."""
        warmup = min(round(self.steps * self.settings.warmup_epochs), self.steps * self.settings.epochs // 2)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.done, self.steps, warmup, self.settings.lr)
        with autocast(self.settings.precision, CPU):
            logits = network(images)
        loss = self.loss_function(logits.float(), labels)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.done += 1
        self.ema.update(self.model, step=self.done)

    def seconds(self, network: nn.Module, batches: Iterator[Batch], steps: int) -> float:
        """Of that many steps, each with the wait for the batch after it. Takes one batch more, before the clock starts."""
        batch = next(batches)
        started = perf_counter()
        for _ in range(steps):
            self.step(network, *batch)
            batch = next(batches)
        return perf_counter() - started


def batches_in_memory(model: Classifier, data: FoldData, size: int) -> list[Batch]:
    """The first batches, normalised float32 (B, C, H, W) in channels-last order."""
    made: list[Batch] = []
    for start in range(0, min(READY * size, len(data.train) - size + 1), size):
        rows = data.train[start : start + size]
        images = (torch.from_numpy(data.planes.read(data.images, rows)).float() - model.mean) / model.deviation
        made.append((images.permute(0, 3, 1, 2), torch.from_numpy(data.labels[rows]).float()))
    return made
