"""The trainer on a GPU: its steps against a bare loop over tensors in the GPU's memory, and how many images the reading threads supply.

The share of the GPU's matrix-product rate says how well the network suits it.
"""

from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from comp.base.processes import cores
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.images.input_channels import InputChannels
from comp.images.torch_batches import epoch_of
from comp.inference.torch_device import device_name, use
from comp.models.precision import TYPES
from comp.training.trainer import FoldData
from tests.benchmarks.bare import BareLoop, batches_in_memory, finish
from tests.benchmarks.inputs import label_table
from tests.benchmarks.paired import Ratio
from tests.benchmarks.results import Result, at_least
from tests.benchmarks.training import Plan, alternate_with_trainer

READERS = 8
LARGEST = 8192  # rows and columns of the matrices that are multiplied
UNLOADED = 0.97  # of the bare loop's speed


@dataclass(frozen=True)
class Load:
    """What is measured: a network on images of `size` pixels, in `rounds` rounds of `steps` steps for each batch size and precision."""

    backbone: str = "densenet121"
    size: int = 512
    batches: tuple[int, ...] = (32, 64)
    precisions: tuple[str, ...] = ("bf16", "fp16")
    compiled: tuple[bool, ...] = (False, True)
    rounds: int = 10
    steps: int = 10
    matrix: int = LARGEST


def measure(folder: Path, load: Load = Load(), device: str = "cuda:0") -> list[Result]:
    if device.startswith("cuda") and not torch.cuda.is_available():
        return [Result("gpu", "no GPU here")]
    place = torch.device(device)
    use(place)
    torch.set_num_threads(1)
    results = [Result(f"{device_name(device)}: images/s that {READERS} reading threads supply at {load.size} px, with flips and turns",
                      f"{supplied(load, place):.0f}", note=f"{cores()} cores")]  # fmt: skip
    for precision in load.precisions:
        rate = matrix_rate(place, precision, load.matrix)
        results.append(Result(f"{device_name(device)}: matrix products in {precision}, TFLOP/s", f"{rate / 1e12:.4g}"))
        for batch, compiled in product(load.batches, load.compiled):
            results += one_setting(folder, load, place, (precision, batch, compiled), rate)
    return results


def one_setting(folder: Path, load: Load, device: torch.device, setting: tuple[str, int, bool], rate: float) -> list[Result]:
    """Steps with one precision, batch size, and with or without compilation; `rate` in FLOP/s."""
    precision, batch, compiled = setting
    settings = TorchTraining(epochs=1, batch_size=batch, precision=precision, compile=compiled)
    experiment = TorchExperiment(model="bench", backbone=load.backbone, initial_weights="scratch", size=load.size, train=settings)
    data = images_for(load, (load.rounds + 1) * load.steps * batch)
    bare, control = BareLoop(experiment, data, device), BareLoop(experiment, data, device)
    memory = cycle(batches_in_memory(bare.model, data, batch))
    sides = {
        "bare": lambda: bare.seconds(bare.model.backbone, memory, load.steps),
        "control": lambda: control.seconds(control.model.backbone, memory, load.steps),
    }
    place = folder / f"{precision}-{batch}-{compiled}"
    plan = Plan(load.backbone, load.size, 0, place, load.rounds, load.steps, 0, 0, str(device))
    seconds = alternate_with_trainer(experiment, data, plan, 0, sides, lambda: None)
    speed = batch * load.steps / np.median(seconds["trainer"])
    share = speed * operations(bare, load) / rate
    name = f"{load.backbone} {load.size} px, batch {batch}, {precision}{', compiled' if compiled else ''}"
    note = f"{speed:.0f} images/s; {share:.2f} of the matrix-product rate"
    ratios = Ratio.of(seconds["bare"], seconds["trainer"]), Ratio.of(seconds["bare"], seconds["control"])
    return [at_least(UNLOADED, f"{name}: trainer / bare loop", *ratios, note)]


def images_for(load: Load, rows: int) -> FoldData:
    """Random images; all rows are the same few images in memory, so that any number of them has room."""
    few = np.random.default_rng(0).integers(0, 256, (load.batches[-1], load.size, load.size, 4), dtype=np.uint8)
    return FoldData(few, label_table()[: len(few)], np.arange(rows) % len(few), InputChannels((0, 1, 2, 3)))


def operations(bare: BareLoop, load: Load) -> int:
    """Floating-point operations of one image: forward and backward, a multiplication and an addition counting two."""
    network, device = bare.model.backbone, bare.device
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros((1, 4, load.size, load.size), device=device)).sum().backward()
    network.train()
    bare.optimizer.zero_grad()
    return int(counter.get_total_flops())


def matrix_rate(device: torch.device, precision: str, size: int) -> float:
    """FLOP/s of products of two square matrices, the median of ten."""
    one, other = (torch.randn((size, size), device=device).to(TYPES.get(precision, torch.float32)) for _ in range(2))
    seconds = []
    for _ in range(12):
        finish(device)
        started = perf_counter()
        one @ other
        finish(device)
        seconds.append(perf_counter() - started)
    return float(2 * size**3 / np.median(seconds[2:]))


def supplied(load: Load, device: torch.device) -> float:
    """Images/s on the device, made by `READERS` threads with the default augmentation."""
    batch = load.batches[0]
    settings = TorchTraining(epochs=1, batch_size=batch)
    experiment = TorchExperiment(model="bench", backbone=load.backbone, initial_weights="scratch", size=load.size, train=settings)
    data = images_for(load, (load.steps + 2) * batch * READERS)
    made = epoch_of(data.batches(experiment, 0), 0, threads=READERS, device=device)
    next(made)
    started, count = perf_counter(), 0
    for images, *_ in made:
        count += len(images)
    finish(device)
    return count / (perf_counter() - started)
