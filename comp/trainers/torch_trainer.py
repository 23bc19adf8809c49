"""The training loop, and prediction with what it made."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from timm.optim import param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp import parts
from comp.data.torch_data import Batch, TrainBatches, ahead, channel_statistics, read
from comp.experiment import Experiment
from comp.models.backbone import build_classifier, resolve_precision
from comp.progress import LogBar
from comp.trainers.checkpoint import TrainingState
from comp.workers import cores


@dataclass(frozen=True)
class FoldData:
    """The cache and what is known of its rows.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: (N, classes).
        train: rows to train on.
        channels: the experiment's channels as numbers of the cache's.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    train: NDArray[np.int64]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """One fold's training.

    Attributes:
        checkpoint: where the state is saved, and found by a run that goes on.
        identity: hash of all that determines the result; a checkpoint with another one is not taken over.
        weights: where the first weights come from, as `comp.models.weights.weights_source` says.
        minutes: time between checkpoints; the last one, of the finished run, is always written.
        position: line of the progress bar, for folds that train side by side.
    """

    fold: int
    device: torch.device
    checkpoint: Path
    identity: str
    weights: str
    minutes: float = 5.0
    position: int = 0


@dataclass(frozen=True)
class Trained:
    """A network that predicts, and how it came to be."""

    model: nn.Module
    losses: list[float]
    images_per_second: float


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up to `peak`, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def train(experiment: Experiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if that is of this run, and return the averaged weights."""
    settings, device = experiment.train, run.device
    torch.manual_seed(experiment.seed * 1000 + run.fold)
    mean, deviation = channel_statistics(data.images, data.channels)
    prior = torch.from_numpy((data.labels[data.train].sum(axis=0) + 0.5) / (len(data.train) + 1)).float()
    model = build_classifier(experiment, run.weights, mean, deviation, prior).to(device).to(memory_format=torch.channels_last)
    ema = ModelEmaV3(model, decay=settings.ema, use_warmup=True)
    optimizer = torch.optim.AdamW(param_groups_weight_decay(model, settings.weight_decay), lr=settings.lr, fused=True)
    loss_function = parts.build("losses", experiment.loss)
    batches = TrainBatches(
        data.images, data.labels, data.train, data.channels, settings.batch_size,
        parts.build("samplers", experiment.sampler), parts.build("augmentations", experiment.augmentation), (experiment.seed, run.fold),
    )  # fmt: skip
    state = TrainingState(run.identity, model, ema, optimizer, step=0, losses=[], loss_sum=torch.zeros((), device=device))
    state.resume(run.checkpoint)

    per_epoch = len(batches)
    steps, first = per_epoch * settings.epochs, state.step
    warmup = min(round(per_epoch * settings.warmup_epochs), steps // 2)
    started = saved = time.monotonic()
    model.train()
    with training_bar(experiment, run, per_epoch, state.step) as bar:
        for epoch in range(state.step // per_epoch, settings.epochs):
            for images, labels in batches.epoch(epoch, state.step % per_epoch, reading_threads(device)):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(state.step, steps, warmup, settings.lr)
                with autocast(settings.precision, device):
                    logits = model(images.to(device, non_blocking=True))
                loss = loss_function(logits.float(), labels.to(device, non_blocking=True))
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
                    state.save(run.checkpoint)
                    saved = time.monotonic()
    if state.step > first:
        state.save(run.checkpoint)
    rate = (state.step - first) * settings.batch_size / max(time.monotonic() - started, 1e-9)
    return Trained(ema.module, state.losses, rate)


def training_bar(experiment: Experiment, run: Run, per_epoch: int, step: int) -> LogBar:
    size, steps = experiment.train.batch_size, per_epoch * experiment.train.epochs
    label = f"{experiment.model} fold {run.fold}"
    return LogBar(desc=label, total=steps * size, initial=step * size, unit="img", position=run.position, leave=False)


def reading_threads(device: torch.device) -> int:
    """One thread keeps up with a core; a GPU needs several. They change nothing but the speed."""
    return max(min(8, cores() - 1), 1) if device.type == "cuda" else 1


def autocast(precision: str, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=resolve_precision(precision, device) == "bf16")


@torch.inference_mode()
def predict(
    model: nn.Module,
    experiment: Experiment,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    channels: tuple[int, ...],
    device: torch.device,
) -> NDArray[np.float32]:
    """Logits (len(rows), classes), the mean over the experiment's `tta` views."""
    size = 2 * experiment.train.batch_size
    logits = []
    model.eval()

    def make(step: int) -> Batch:
        return torch.from_numpy(read(images, rows[step * size : (step + 1) * size], channels)), torch.empty(0)

    for batch, _ in ahead(make, range(math.ceil(len(rows) / size)), reading_threads(device)):
        batch = batch.to(device, non_blocking=True)
        with autocast(experiment.train.precision, device):
            views = [model(turn(batch, view)).float() for view in range(experiment.tta)]
        logits.append(torch.stack(views).mean(dim=0).cpu())
    return torch.cat(logits).numpy()


def turn(images: Tensor, view: int) -> Tensor:
    """View 0..7 of images (B, H, W, C), numbered as in the dihedral augmentation."""
    images = images.flip([axis for axis, bit in ((2, 1), (1, 2)) if view & bit])
    return images.transpose(1, 2) if view & 4 else images
