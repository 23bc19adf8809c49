"""Measure this toolkit against its limits and its peers, on this machine: training, prediction, cache, folds, memory, stacking.

    python -m tests.benchmarks --only folds thresholds

The table shows medians of paired measurements with 95 % intervals. The control measures the peer against itself: its distance from 1
is the noise. On two idle cores it takes about an hour, most of it for stack_cost, which runs STACK=full, training and full_size. `gpu`
needs a GPU. Other work on the machine makes the figures less exact. All files are temporary.
"""

import argparse
import importlib
import os
import platform
import tempfile
from pathlib import Path

from comp.base.progress import say
from pipelines.command import run

MEASUREMENTS = (
    "folds",
    "thresholds",
    "neighbours",
    "greedy",
    "stack_cost",
    "cache",
    "full_size",
    "memory",
    "training",
    "validation",
    "predicting",
    "keras",
    "gpu",
)


def main() -> None:
    arguments = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS, help="measure these (default: all)")
    chosen = arguments.parse_args().only
    os.environ["OMP_NUM_THREADS"] = "1"  # one thread per process; numpy reads this when it loads, so it is imported below

    from comp.base.processes import cores
    from tests.benchmarks.results import Result, table

    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in chosen:
            say(f"measuring {name}")
            results += importlib.import_module(f"tests.benchmarks.{name}").measure(Path(folder))
    say(f"\n{platform.machine()}, {cores()} cores\n{table(results)}")


if __name__ == "__main__":
    run(main)
