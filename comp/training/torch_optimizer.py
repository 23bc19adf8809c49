"""The optimizer and the schedule of the learning rate, each one of timm's, by name."""

import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from timm.optim import create_optimizer_v2, get_optimizer_class, get_optimizer_info, list_optimizers, param_groups_weight_decay
from timm.scheduler import create_scheduler_v2
from torch import nn
from torch.optim import Optimizer

from comp.base.errors import ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining

SCHEDULES = ("cosine", "tanh", "step", "multistep", "poly", "wsd", "rsqrt", "constant")  # without those that ask for a score
SetRate = Callable[[int], float]  # sets the learning rate of a step, counted from 0, and returns it


def check_optimizer(experiment: TorchExperiment) -> None:
    """Raise ConfigError if timm has no such optimizer or schedule, or it does not take the options."""
    model = nn.Linear(2, 2)
    set_rate_of(experiment.train, build_optimizer(experiment.train, model), per_epoch=10)(0)


def build_optimizer(settings: TorchTraining, model: nn.Module) -> Optimizer:
    """The optimizer of a network. Vectors, such as biases and those of normalisation, get no weight decay.

    Raises:
        ConfigError: timm has no such optimizer, or it does not take the options.
    """
    first_order = [name for name in map(str, list_optimizers()) if not get_optimizer_info(name).second_order]
    name, options = _named(settings.optimizer, first_order, "train.optimizer")
    if "fused" in inspect.signature(get_optimizer_class(name, bind_defaults=False)).parameters:
        options = {"fused": True, **options}  # one kernel for all weights
    groups = param_groups_weight_decay(model, settings.weight_decay)
    try:
        return create_optimizer_v2(groups, opt=name, lr=settings.lr, weight_decay=settings.weight_decay, **options)
    except (TypeError, ValueError, AssertionError, ImportError, RuntimeError) as error:
        raise _unfit("train.optimizer", name, error) from None


def set_rate_of(settings: TorchTraining, optimizer: Optimizer, per_epoch: int) -> SetRate:
    """The schedule of an optimizer's learning rate, for `per_epoch` steps an epoch.

    Raises:
        ConfigError: timm has no such schedule, or it does not take the options.
    """
    name, options = _named(settings.schedule, SCHEDULES, "train.schedule")
    steps = per_epoch * settings.epochs
    warmup = min(round(per_epoch * settings.warmup_epochs), steps // 2)
    if name == "cosine" and not options:
        return _WarmUpAndCosine(optimizer, steps, warmup, settings.lr)
    try:
        scheduler, _ = create_scheduler_v2(
            optimizer, sched=name, num_epochs=settings.epochs, step_on_epochs=False, updates_per_epoch=per_epoch,
            **{"warmup_epochs": warmup / per_epoch, "warmup_lr": settings.lr / max(warmup, 1), **options},
        )  # fmt: skip
    except (TypeError, ValueError, AssertionError) as error:
        raise _unfit("train.schedule", name, error) from None
    if scheduler is None:
        raise ConfigError(f"train.schedule: this version of timm has no {name}", f"choose one of: {', '.join(SCHEDULES[:5])}")

    def set_rate(step: int) -> float:
        scheduler.step_update(step)
        return float(optimizer.param_groups[0]["lr"])

    return set_rate


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up to `peak`, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


class _WarmUpAndCosine:
    """`learning_rate` for all weights. Unlike timm's, no step has a rate of 0."""

    def __init__(self, optimizer: Optimizer, steps: int, warmup: int, peak: float) -> None:
        self.optimizer, self.steps, self.warmup, self.peak = optimizer, steps, warmup, peak

    def __call__(self, step: int) -> float:
        rate = learning_rate(step, self.steps, self.warmup, self.peak)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate


def _named(spec: Mapping[str, Any], known: Sequence[str], key: str) -> tuple[str, dict[str, Any]]:
    """Name and options of a spec.

    Raises:
        ConfigError: the name is not known.
    """
    options = dict(spec)
    name = options.pop("name", None)
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=5) or known
        raise ConfigError(f"{key}: timm has no {name!r}", f"choose one of: {', '.join(near)}")
    return str(name), options


def _unfit(key: str, name: str, error: Exception) -> ConfigError:
    return ConfigError(f"{key}: {name} does not take these options ({' '.join(str(error).split())})", f"correct {key} in its YAML")
