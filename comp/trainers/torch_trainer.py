"""The training loop, and prediction with what it made."""

import math
import time
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from timm.optim import param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp import parts
from comp.data.batches import Arrays
from comp.data.planes import Planes, statistics
from comp.data.torch_data import ahead, epoch_of
from comp.experiment import TorchExperiment
from comp.models.backbone import build_classifier, refuse_size, refuse_unknown_backbone, resolve_precision
from comp.models.weights import weights_source
from comp.trainers.checkpoint import TrainingState
from comp.trainers.fold import FoldData, Run, Trained
from comp.workers import cores

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


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up to `peak`, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def train(experiment: TorchExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if that is of this run, and return the averaged weights."""
    settings, device = experiment.train, torch.device(run.device)
    torch.set_num_threads(settings.threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # its random generator is the one that checkpoints hold
    torch.manual_seed(experiment.seed * 1000 + run.fold)
    mean, deviation = map(torch.Tensor, statistics(data.images, data.planes))
    model = build_classifier(experiment, run.weights, mean, deviation, torch.Tensor(data.prior()))
    model = model.to(device).to(memory_format=torch.channels_last)
    ema = ModelEmaV3(model, decay=settings.ema, use_warmup=True)
    optimizer = torch.optim.AdamW(param_groups_weight_decay(model, settings.weight_decay), lr=settings.lr, fused=True)
    loss_function = parts.build("losses", experiment.loss)
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
            for images, labels in epoch_of(batches, epoch, state.step % per_epoch, reading_threads(device)):
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
                    saved = time.monotonic()
                    state.seconds = before + saved - started
                    state.save(run.checkpoint)
    if state.step > first:
        state.seconds = before + time.monotonic() - started
        state.save(run.checkpoint)
    predicting = partial(predict, ema.module, experiment, data.planes, device)
    return Trained(predicting, state.losses, state.seconds, state.step * settings.batch_size)


def reading_threads(device: torch.device) -> int:
    """One thread keeps up with a core; a GPU needs several. They change nothing but the speed."""
    return max(min(8, cores() - 1), 1) if device.type == "cuda" else 1


def autocast(precision: str, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=resolve_precision(precision, device) == "bf16")


@torch.inference_mode()
def predict(
    model: nn.Module,
    experiment: TorchExperiment,
    planes: Planes,
    device: torch.device,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Logits (len(rows), classes), the mean over the experiment's `tta` views."""
    size = 2 * experiment.train.batch_size
    logits = []
    model.eval()

    def make(step: int) -> Arrays:
        return planes.read(images, rows[step * size : (step + 1) * size]), np.empty(0, np.float32)

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
