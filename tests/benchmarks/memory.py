"""Anonymous memory of training with few and with many images: only the mapped cache may grow with them, not the process."""

import multiprocessing
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from comp.base.errors import CompError
from comp.base.processes import cores
from comp.images.cache import open_cache
from tests.benchmarks.inputs import filled, label_table, repeated, synthetic_images
from tests.benchmarks.results import Result

MB = 1e6
GROWTH = 5 * MB  # noise; ids and labels are added to it
BATCH = 16
PIXELS = 64
STATUS = Path("/proc/self/status")


def measure(folder: Path, few: int = 2_000, many: int = 12_000) -> list[Result]:
    """Peak anonymous memory over equally many steps, each run in a fresh process.

    Raises:
        CompError: the system does not report it.
    """
    if not STATUS.exists():
        raise CompError(f"anonymous memory is read from {STATUS}, which this system lacks", "choose other measurements with --only")
    images = synthetic_images(folder, PIXELS)
    for count in (few, many):
        filled(folder / f"memory-{count}", repeated(images, count), PIXELS)
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn"), max_tasks_per_child=1) as fresh:
        runs = [fresh.submit(peak_of_training, folder / f"memory-{count}", many // count) for count in (few, few, many)]
        small, again, large = (run.result() for run in runs)
    known = kept_by_design(folder / f"memory-{many}") - kept_by_design(folder / f"memory-{few}")
    mapped = [(folder / f"memory-{count}" / "images.u8").stat().st_size / MB for count in (few, many)]
    return [
        Result(
            f"anonymous memory of training: {many:,} images - {few:,}",
            f"{(large - small) / MB:+.1f} MB",
            f"{(again - small) / MB:+.1f} MB",
            f"<= {(GROWTH + known) / MB:.1f} MB",
            large - small <= GROWTH + known,
            f"RssAnon at most {small / MB:.1f} and {large / MB:.1f} MB, with {mapped[0]:.0f} and {mapped[1]:.0f} MB of mapped images; "
            f"ids and labels take {known / MB:.1f} MB of the limit",
        )
    ]


def peak_of_training(folder: Path, epochs: int) -> int:
    """The peak of anonymous memory after any step, in bytes."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
    from comp.images.input_channels import InputChannels
    from comp.training.torch_trainer import train
    from comp.training.trainer import FoldData, Run

    cache = open_cache(folder)
    labels = label_table(len(cache.ids))
    data = FoldData(cache.images, labels, np.arange(len(labels)), InputChannels((0, 1, 2, 3)))
    experiment = TorchExperiment(
        model="bench", backbone="test_resnet", initial_weights="scratch", size=PIXELS, train=TorchTraining(epochs=epochs, batch_size=BATCH)
    )
    peak = 0

    def after_step(*_: object) -> None:
        nonlocal peak
        peak = max(peak, anonymous_memory())

    register_optimizer_step_post_hook(after_step)
    with TemporaryDirectory() as run, redirect_stderr(StringIO()):
        train(experiment, data, Run(0, "cpu", Path(run, "checkpoint.pt"), {"run": "bench"}, "scratch", float("inf")))
    return peak


def anonymous_memory() -> int:
    """RssAnon of this process in bytes."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


def kept_by_design(folder: Path) -> int:
    """Bytes that every process needs for the ids, labels and records of all images."""
    cache = open_cache(folder)
    return sum(map(sys.getsizeof, cache.ids)) + sys.getsizeof(cache.ids) + cache.records.nbytes + label_table(len(cache.ids)).nbytes
