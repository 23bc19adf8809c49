"""The training loop of the PyTorch trainers."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from timm.utils import ModelEmaV3
from torch import nn

from comp.base.errors import ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.torch_batches import epoch_of
from comp.inference.torch_device import reading_threads, use
from comp.training.data_parallel import seed_step, together
from comp.training.monitor import Bystander, Monitor, Scores, Watched
from comp.training.torch_checkpoint import TrainingState
from comp.training.torch_optimizer import build_optimizer, set_rate_of
from comp.training.torch_update import Criterion, Update, checkpoint_gradients
from comp.training.trainer import FoldData, Run

Validate = Callable[[nn.Module, NDArray[np.int64]], Scores]  # of a network in evaluation mode, and rows of the train table


def begin(experiment: TorchExperiment, run: Run) -> torch.device:
    """Set the threads, the device, and the seed that new layers are initialised with."""
    torch.set_num_threads(experiment.train.threads)
    device = torch.device(run.device)
    use(device)
    torch.manual_seed(experiment.seed * 1000 + run.fold)
    return device


def check_batch_size(experiment: TorchExperiment) -> None:
    """Raise ConfigError if a batch, or a part of one, has a single image: batch normalisation of vectors needs a deviation."""
    settings = experiment.train
    parts = settings.accumulate * settings.devices
    if settings.batch_size < 2 * parts:
        part = "a batch" if parts == 1 else "a part of a batch"
        what = f"{experiment.model} normalises vectors over {part}, which has a single image"
        raise ConfigError(what, f'use SET="train.batch_size={2 * parts}" or more')


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
    if settings.grad_checkpointing:
        checkpoint_gradients(model, experiment)
    if settings.compile:
        model.compile()
    optimizer = build_optimizer(settings, model)
    batches = data.batches(experiment, run.fold)
    per_epoch = len(batches)
    if run.processes > 1 and len(batches.all_rows) < settings.batch_size:
        images = f"{len(batches.all_rows)} training images"
        what = f"{experiment.model}: {run.processes} devices cannot share a batch of {settings.batch_size} of {images}"
        raise ConfigError(what, 'use smaller batches, or SET="train.devices=1"')
    set_rate = set_rate_of(settings, optimizer, per_epoch)
    with together(run, device):
        update = Update(model, criterion, optimizer, experiment, device)
        state = TrainingState(run, model, ema, update, step=0, losses=[], loss_sum=torch.zeros((), device=device), seconds=0.0)
        constants = not_finite(model)
        state.resume()
        watched = Watched(
            validate=lambda rows: validate(ema.module, rows),
            is_finite=lambda: not_finite(model) <= constants and not_finite(ema.module) <= constants,
        )
        model.train()
        with Monitor(experiment, run, data, per_epoch, state, watched) if run.rank == 0 else Bystander() as monitor:
            for epoch in range(state.step // per_epoch, settings.epochs):
                for batch in epoch_of(batches, epoch, state.step % per_epoch, reading_threads(device), device, (run.rank, run.processes)):
                    rate = set_rate(state.step)
                    seed_step(run, experiment.seed, state.step)
                    loss = update(batch)
                    state.step += 1
                    ema.update(model, step=state.step)
                    state.loss_sum += loss
                    monitor.after_step(rate)
            monitor.finish()
    return ema.module, state


def not_finite(model: nn.Module) -> set[str]:
    """The weights and running statistics that hold a value that is not finite; some architectures have such constants."""
    values = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    finite = torch.stack([torch.isfinite(value).all() for value in values.values()])  # asked for together: a GPU is waited for once
    return {name for name, each in zip(values, finite.tolist(), strict=True) if not each}
