"""The training loop of the PyTorch trainers."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from timm.optim import param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp.base.errors import ConfigError
from comp.base.processes import cores
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.torch_batches import epoch_of
from comp.models.precision import autocast
from comp.training.torch_checkpoint import TrainingState
from comp.training.trainer import FoldData, Run

Criterion = Callable[[Any, Tensor, Tensor], Tensor]  # of the model's output, labels (B, classes) and identity (B,)


def begin(experiment: TorchExperiment, run: Run) -> torch.device:
    """Set the threads, the device, and the seed that new layers are initialised with."""
    torch.set_num_threads(experiment.train.threads)
    device = torch.device(run.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # checkpoints hold the random generator of this device
    torch.manual_seed(experiment.seed * 1000 + run.fold)
    return device


def check_batch_size(experiment: TorchExperiment) -> None:
    """Raise ConfigError if a batch has a single image: batch normalisation of vectors needs a deviation."""
    if experiment.train.batch_size < 2:
        what = f"{experiment.model} normalises vectors over a batch, which has a single image"
        raise ConfigError(what, 'use SET="train.batch_size=2" or more')


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up to `peak`, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def fit(model: nn.Module, criterion: Criterion, experiment: TorchExperiment, data: FoldData, run: Run) -> tuple[nn.Module, TrainingState]:
    """Train a model, from its checkpoint if it belongs to this run. Returns it with averaged network weights, and the final state."""
    settings, device = experiment.train, torch.device(run.device)
    model = model.to(device).to(memory_format=torch.channels_last)
    ema = ModelEmaV3(model, decay=settings.ema, use_warmup=True)
    optimizer = torch.optim.AdamW(param_groups_weight_decay(model, settings.weight_decay), lr=settings.lr, fused=True)
    batches = data.batches(experiment, run.fold)
    state = TrainingState(run, model, ema, optimizer, step=0, losses=[], loss_sum=torch.zeros((), device=device), seconds=0.0)
    state.resume()

    per_epoch = len(batches)
    steps, first = per_epoch * settings.epochs, state.step
    warmup = min(round(per_epoch * settings.warmup_epochs), steps // 2)
    started, before = time.monotonic(), state.seconds
    saved = started
    model.train()
    with run.bar(experiment, per_epoch, state.step) as bar:
        for epoch in range(state.step // per_epoch, settings.epochs):
            for images, labels, identity, *aux_features in epoch_of(batches, epoch, state.step % per_epoch, reading_threads(device)):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(state.step, steps, warmup, settings.lr)
                with autocast(settings.precision, device):
                    output = model(*(each.to(device, non_blocking=True) for each in (images, *aux_features)))
                loss = criterion(output, labels.to(device, non_blocking=True), identity.to(device, non_blocking=True))
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
                optimizer.step()
                state.step += 1
                ema.update(model, step=state.step)

                state.loss_sum += loss.detach()
                if state.step % per_epoch == 0:
                    state.end_epoch(per_epoch)
                if bar.update(settings.batch_size):
                    bar.set_postfix_str(f"loss {state.mean_loss(per_epoch):.4f}", refresh=False)
                if time.monotonic() - saved >= 60 * run.minutes:
                    saved = time.monotonic()
                    state.seconds = before + saved - started
                    state.save()
    if state.step > first:
        state.seconds = before + time.monotonic() - started
        state.save()
    return ema.module, state


def reading_threads(device: torch.device) -> int:
    """How many threads read images: one keeps up with a core, a GPU needs several. They change nothing but the speed."""
    return max(min(8, cores() - 1), 1) if device.type == "cuda" else 1
