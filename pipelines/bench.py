"""Measure this toolkit against its limits and its peers, on this machine's CPU: training, cache, folds, thresholds, memory, stacking.

    python -m pipelines.bench --only folds thresholds

Medians of paired measurements with 95 % intervals; the control is the peer against itself, so its distance from 1 is the noise.
It takes minutes (stack_cost, which runs STACK=full, the most of them) on two idle cores; whatever else runs meanwhile blurs it.
All files are temporary.
"""

import argparse
import importlib
import os
import platform
import tempfile
from pathlib import Path

from pipelines.command import run, say

MEASUREMENTS = ("folds", "thresholds", "neighbours", "greedy", "stack_cost", "cache", "memory", "training", "keras")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS, help="measure these (default: all)")
    chosen = arguments.parse_args().only
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that train: one thread a core

    from comp.workers import cores
    from pipelines.benchmarks.results import Result, table

    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in chosen:
            say(f"measuring {name}")
            results += importlib.import_module(f"pipelines.benchmarks.{name}").measure(Path(folder))
    say(f"\n{platform.machine()}, {cores()} cores\n{table(results)}")


if __name__ == "__main__":
    run(main)
