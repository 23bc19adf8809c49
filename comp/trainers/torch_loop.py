"""The training loop of PyTorch's trainers, and running over images with what it made."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.optim import param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp.data.planes import Planes
from comp.data.torch_data import ahead, epoch_of
from comp.errors import ConfigError
from comp.experiment import TorchExperiment
from comp.models.backbone import resolve_precision
from comp.trainers.checkpoint import TrainingState
from comp.trainers.fold import FoldData, Run
from comp.workers import cores

Criterion = Callable[[Any, Tensor, Tensor], Tensor]  # of what the model returns, labels (B, classes) and identity (B,)


def begin(experiment: TorchExperiment, run: Run) -> torch.device:
    """Make ready for a fold: threads, the device, and the random numbers that first weights are drawn with."""
    torch.set_num_threads(experiment.train.threads)
    device = torch.device(run.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # its random generator is the one that checkpoints hold
    torch.manual_seed(experiment.seed * 1000 + run.fold)
    return device


def refuse_single_images(experiment: TorchExperiment) -> None:
    """Raise ConfigError if batches are of one image, in which vectors have no deviation to be normalised by."""
    if experiment.train.batch_size < 2:
        raise ConfigError(
            f"{experiment.model} normalises vectors over a batch, which has a single image", 'use SET="train.batch_size=2" or more'
        )


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up to `peak`, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def fit(model: nn.Module, criterion: Criterion, experiment: TorchExperiment, data: FoldData, run: Run) -> tuple[nn.Module, TrainingState]:
    """Train a model, from its checkpoint if that is of this run; returns it with averaged weights, and the state at the end."""
    settings, device = experiment.train, torch.device(run.device)
    model = model.to(device).to(memory_format=torch.channels_last)
    ema = ModelEmaV3(model, decay=settings.ema, use_warmup=True)
    optimizer = torch.optim.AdamW(param_groups_weight_decay(model, settings.weight_decay), lr=settings.lr, fused=True)
    batches = data.batches(experiment, run.fold)
    state = TrainingState(run.identity, model, ema, optimizer, step=0, losses=[], loss_sum=torch.zeros((), device=device), seconds=0.0)
    state.resume(run.checkpoint)

    per_epoch = len(batches)
    steps, first = per_epoch * settings.epochs, state.step
    warmup = min(round(per_epoch * settings.warmup_epochs), steps // 2)
    started, before = time.monotonic(), state.seconds
    saved = started
    model.train()
    with run.bar(experiment, per_epoch, state.step) as bar:
        for epoch in range(state.step // per_epoch, settings.epochs):
            for images, labels, identity, *beside in epoch_of(batches, epoch, state.step % per_epoch, reading_threads(device)):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(state.step, steps, warmup, settings.lr)
                with autocast(settings.precision, device):
                    output = model(*(each.to(device, non_blocking=True) for each in (images, *beside)))
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
                    state.save(run.checkpoint)
    if state.step > first:
        state.seconds = before + time.monotonic() - started
        state.save(run.checkpoint)
    return ema.module, state


def reading_threads(device: torch.device) -> int:
    """One thread keeps up with a core; a GPU needs several. They change nothing but the speed."""
    return max(min(8, cores() - 1), 1) if device.type == "cuda" else 1


def autocast(precision: str, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=resolve_precision(precision, device) == "bf16")


@torch.inference_mode()
def over_rows(
    output: Callable[..., Tensor],
    experiment: TorchExperiment,
    planes: Planes,
    device: torch.device,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    beside: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """What a network in evaluation mode gives for rows of a cache, (len(rows), ...), the mean over the experiment's `tta` views.

    Args:
        beside: (len(rows), D) what else it is told of the images.
    """
    size = 2 * experiment.train.batch_size
    found = []

    def make(step: int) -> tuple[NDArray[Any], ...]:
        some = slice(step * size, (step + 1) * size)
        return (planes.read(images, rows[some]), *(() if beside is None else (beside[some],)))

    for batch in ahead(make, range(math.ceil(len(rows) / size)), reading_threads(device)):
        seen, *told = (each.to(device, non_blocking=True) for each in batch)
        with autocast(experiment.train.precision, device):
            views = [output(turn(seen, view), *told).float() for view in range(experiment.tta)]
        found.append(torch.stack(views).mean(dim=0).cpu())
    return torch.cat(found).numpy()


def turn(images: Tensor, view: int) -> Tensor:
    """View 0..7 of images (B, H, W, C), numbered as in the dihedral augmentation."""
    images = images.flip([axis for axis, bit in ((2, 1), (1, 2)) if view & bit])
    return images.transpose(1, 2) if view & 4 else images
