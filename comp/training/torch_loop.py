"""The training loop of the PyTorch trainers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.optim import param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp.base.errors import ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.torch_batches import epoch_of
from comp.inference.torch_device import reading_threads
from comp.models.precision import autocast
from comp.training.monitor import Monitor, Scores, Watched
from comp.training.torch_checkpoint import TrainingState
from comp.training.trainer import FoldData, Run

Criterion = Callable[[Any, Tensor, Tensor], Tensor]  # of the model's output, labels (B, classes) and identity (B,)
Validate = Callable[[nn.Module, NDArray[np.int64]], Scores]  # of a network in evaluation mode, and rows of the train table


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


def fit(
    model: nn.Module, criterion: Criterion, experiment: TorchExperiment, data: FoldData, run: Run, validate: Validate
) -> tuple[nn.Module, TrainingState]:
    """Train a model, from its checkpoint if it belongs to this run. Returns it with averaged network weights, and the final state.

    Raises:
        CompError: training has diverged; the checkpoint from before it stays.
    """
    settings, device = experiment.train, torch.device(run.device)
    model = model.to(device).to(memory_format=torch.channels_last)
    ema = ModelEmaV3(model, decay=settings.ema, use_warmup=True)
    optimizer = torch.optim.AdamW(param_groups_weight_decay(model, settings.weight_decay), lr=settings.lr, fused=True)
    batches = data.batches(experiment, run.fold)
    state = TrainingState(run, model, ema, optimizer, step=0, losses=[], loss_sum=torch.zeros((), device=device), seconds=0.0)
    constants = not_finite(model)
    state.resume()

    per_epoch = len(batches)
    steps = per_epoch * settings.epochs
    warmup = min(round(per_epoch * settings.warmup_epochs), steps // 2)
    watched = Watched(
        validate=lambda rows: validate(ema.module, rows),
        is_finite=lambda: not_finite(model) <= constants and not_finite(ema.module) <= constants,
    )
    model.train()
    with Monitor(experiment, run, data, per_epoch, state, watched) as monitor:
        for epoch in range(state.step // per_epoch, settings.epochs):
            for images, labels, identity, *aux_features in epoch_of(batches, epoch, state.step % per_epoch, reading_threads(device)):
                rate = learning_rate(state.step, steps, warmup, settings.lr)
                for group in optimizer.param_groups:
                    group["lr"] = rate
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
                monitor.after_step(rate)
        monitor.finish()
    return ema.module, state


def not_finite(model: nn.Module) -> set[str]:
    """The weights and running statistics that hold a value that is not finite; some architectures have such constants."""
    values = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    finite = torch.stack([torch.isfinite(value).all() for value in values.values()])  # asked for together: a GPU is waited for once
    return {name for name, each in zip(values, finite.tolist(), strict=True) if not each}
