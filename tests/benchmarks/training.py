"""The trainer's steps against those of the bare loop, and the bare loop with a DataLoader, with all cores busy.

There is one process per core, and all processes measure the same side at the same time. The trainer runs unchanged. After every few
of its steps the other sides take their turns, inside a hook that PyTorch calls after an optimizer step. By then the trainer's reader
thread has read the next batches, so it gains nothing and disturbs nothing while the others run.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from comp.base.processes import cores
from comp.base.progress import LogBar
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.images.cache import open_cache
from comp.images.input_channels import InputChannels
from comp.models.precision import resolve_precision
from comp.training.torch_trainer import train
from comp.training.trainer import FoldData, Run
from tests.benchmarks.bare import CPU, BareLoop, batches_in_memory, finish
from tests.benchmarks.decoding import DecodedImages, loader
from tests.benchmarks.inputs import PIXELS, filled, label_table, repeated, synthetic_images
from tests.benchmarks.paired import Ratio, Seconds, Side, alternate, on_all_cores, take_turns
from tests.benchmarks.results import Result, at_least

BACKBONES = ("resnet18", "densenet121")
BATCH = 16


@dataclass(frozen=True)
class Plan:
    """How much is measured for one backbone: in its turn, a side makes `steps` steps on a device."""

    backbone: str
    size: int
    pixels: int
    folder: Path
    rounds: int
    steps: int
    loader_rounds: int
    loader_steps: int
    device: str = "cpu"

    @property
    def rows(self) -> int:
        """The images of the trainer's one epoch, which holds all rounds."""
        return (self.rounds + 1) * self.steps * BATCH


def measure(folder: Path, backbones: tuple[str, ...] = BACKBONES, size: int = 128, pixels: int = PIXELS, rounds: int = 24) -> list[Result]:
    results = []
    for backbone in backbones:
        plan = Plan(backbone, size, pixels, folder, rounds, steps=2, loader_rounds=max(rounds // 6, 1), loader_steps=4)
        filled(folder / f"training-{size}", repeated(synthetic_images(folder, pixels), plan.rows), size)
        results += compare(plan, on_all_cores(one_process, plan))
    return results


def compare(plan: Plan, seconds: dict[str, Seconds]) -> list[Result]:
    share = Ratio.of(seconds["bare"], seconds["trainer"])
    control = Ratio.of(seconds["bare"], seconds["control"])
    rate = BATCH * plan.steps * cores() / np.median(seconds["trainer"])
    precision = resolve_precision("auto", CPU)
    note = f"{rate:.0f} images/s by {cores()} processes at once, each on one core in {precision}; checkpoints and validation not counted"
    name = f"{plan.backbone} {plan.size} px, speed"
    loaders = [
        Result(f"{name}: PNG DataLoader, {side} / bare loop", str(Ratio.of(seconds["bare with loaders"], seconds[side])))
        for side in ("no worker", "one worker")
    ]
    return [at_least(0.97, f"{name}: trainer / bare loop", share, control, note), *loaders]


def one_process(plan: Plan, slot: int, meet: Callable[[], Any]) -> dict[str, Seconds]:
    """All rounds of one process; only the process of slot 0 shows a progress bar."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    experiment = TorchExperiment(
        model=plan.backbone, backbone=plan.backbone, initial_weights="scratch", size=plan.size,
        train=TorchTraining(epochs=1, batch_size=BATCH),
    )  # fmt: skip
    images = open_cache(plan.folder / f"training-{plan.size}").images
    labels = label_table()[: len(images)]
    data = FoldData(images, labels, np.arange(len(images)), InputChannels((0, 1, 2, 3)))
    bare, control = BareLoop(experiment, data), BareLoop(experiment, data)
    memory = cycle(batches_in_memory(bare.model, data, BATCH))
    files = list(repeated(synthetic_images(plan.folder, plan.pixels), len(images)).values())
    decoding = DecodedImages(files, labels, plan.size)
    no_worker, one_worker = (loader(decoding, BATCH, plan.loader_steps + 1, workers) for workers in (0, 1))

    def together(work: Callable[[], float]) -> Side:
        return lambda: (meet(), work())[1]

    def on_memory(loop: BareLoop, steps: int) -> Side:
        return together(lambda: loop.seconds(loop.model.backbone, memory, steps))

    with redirect_stderr(sys.stderr if slot == 0 else StringIO()):
        others = {"bare": on_memory(bare, plan.steps), "control": on_memory(control, plan.steps)}
        seconds = alternate_with_trainer(experiment, data, plan, slot, others, meet)
        return seconds | alternate(
            {
                "bare with loaders": on_memory(bare, plan.loader_steps),
                "no worker": together(lambda: control.seconds(control.model, iter(no_worker), plan.loader_steps)),
                "one worker": together(lambda: control.seconds(control.model, iter(one_worker), plan.loader_steps)),
            },
            plan.loader_rounds,
            f"{plan.backbone}, DataLoader",
        )


def alternate_with_trainer(
    experiment: TorchExperiment, data: FoldData, plan: Plan, slot: int, others: Mapping[str, Side], meet: Callable[[], Any]
) -> dict[str, Seconds]:
    """Like `alternate`, with the unchanged trainer as the first side of every round."""
    seconds: dict[str, list[float]] = {name: [] for name in ("trainer", *others)}
    done, others_run, started = 0, False, perf_counter()
    bar = LogBar(total=plan.rounds + 1, desc=f"{plan.backbone}, trainer", unit="round")

    def after_step(*_: object) -> None:
        nonlocal done, others_run, started
        if others_run:  # the optimizers of the other sides call this hook too
            return
        done += 1
        if done % plan.steps == 0:
            finish(torch.device(plan.device))
            seconds["trainer"].append(perf_counter() - started)
            others_run = True
            take_turns(others, done // plan.steps, seconds)
            others_run = False
            bar.update()
            meet()
            started = perf_counter()

    hook = register_optimizer_step_post_hook(after_step)
    try:
        with bar, redirect_stderr(StringIO()):  # hides the trainer's own bar, which would count the others' time
            folder = plan.folder / f"{plan.backbone}-{slot}"
            train(experiment, data, Run(0, plan.device, folder / "checkpoint", {"run": "bench"}, "scratch", float("inf"), slot))
    finally:
        hook.remove()
    return {name: np.array(values[1:]) for name, values in seconds.items()}
