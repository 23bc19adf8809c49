"""The cost of a stack at the size of the HPA competition: growth of seconds with models and rows; seconds and memory of whole runs."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import perf_counter, process_time, sleep

import numpy as np
from numpy.typing import NDArray

from comp.base.paths import config
from comp.base.progress import track
from comp.stacking.evaluation import evaluate
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe, load_recipe
from tests.benchmarks.inputs import ROWS
from tests.benchmarks.logits import synthetic_predictions
from tests.benchmarks.results import Result
from tests.benchmarks.synthetic_stack import NAME, write_competition

ROOT = Path(__file__).parents[2]
MODELS, SHARES = (2, 4, 8), (0.25, 0.5, 1.0)  # of the rows
SLOPE = 1.15
EVERY = 0.2  # seconds between two measurements of a run's memory
GIB = 2**30


@dataclass(frozen=True)
class Limits:
    seconds: float
    gib: float | None = None


RUNS = {"quick": Limits(60), "full": Limits(600, 3)}


def measure(folder: Path, rows: int = ROWS, stacks: tuple[str, ...] = tuple(RUNS)) -> list[Result]:
    labelled = synthetic_predictions(max(MODELS), rows)
    root = folder / "stack"
    write_competition(root, labelled)
    return [*growth(labelled, load_recipe(config("stacks", "quick", ROOT))), *(whole_run(root, stack, labelled) for stack in stacks)]


def growth(labelled: PredictionSet, recipe: Recipe) -> list[Result]:
    """The exponents a and b of seconds = c models^a rows^b, by least squares on logarithms; CPU seconds of one process."""
    sizes = list(product(MODELS, (round(share * len(labelled)) for share in SHARES)))
    seconds = []
    for models, rows in track(sizes, "stacks of growing size", unit="stack"):
        some = labelled.only(labelled.models[:models]).take(np.arange(rows))
        started = process_time()
        evaluate(some, recipe)
        seconds.append(process_time() - started)
    slopes = exponents(np.array(sizes, float), np.array(seconds))
    note = "; ".join(f"{models} x {rows:,}: {each:.1f} s" for (models, rows), each in zip(sizes, seconds, strict=True))
    notes = (note, "")
    return [
        Result(
            f"quick stack, CPU seconds ~ {what} to the power of",
            f"{slope:.2f}",
            limit=f"<= {SLOPE}",
            reached=slope <= SLOPE,
            note=more,
        )
        for what, slope, more in zip(("models", "rows"), slopes, notes, strict=True)
    ]


def exponents(sizes: NDArray[np.float64], seconds: NDArray[np.float64]) -> list[float]:
    """Slopes (K,) of log seconds (S,) on log sizes (S, K), fitted with an intercept."""
    design = np.column_stack([np.log(sizes), np.ones(len(sizes))])
    return np.linalg.lstsq(design, np.log(seconds))[0][:-1].tolist()


def whole_run(root: Path, stack: str, labelled: PredictionSet) -> Result:
    """The seconds and memory of `python -m pipelines.stack`, started as a user starts it."""
    limits = RUNS[stack]
    name = f"STACK={stack}, {len(labelled.models)} models x {len(labelled):,} x {labelled.logits.shape[2]}"
    if not (root / "configs" / "stacks" / f"{stack}.yaml").exists():
        return Result(name, "not measured", note=f"there is no configs/stacks/{stack}.yaml")
    command = [sys.executable, "-m", "pipelines.stack", "--competition", NAME, "--stack", stack]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as said:
        started = perf_counter()
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory_of_session(process.pid))
            sleep(EVERY)
        seconds = perf_counter() - started
        said.seek(0)
        lines = said.read().strip().splitlines()
    if process.returncode:
        return Result(name, "failed", reached=False, note=(lines or ["there was no output"])[-1])
    reached = seconds <= limits.seconds and (limits.gib is None or peak <= limits.gib * GIB)
    limit = f"<= {limits.seconds:g} s" + (f", {limits.gib:g} GiB" if limits.gib else "")
    return Result(name, f"{seconds:.0f} s, {peak / GIB:.2f} GiB", limit=limit, reached=reached, note=lines[-1])


def memory_of_session(session: int) -> int:
    """Bytes that all processes of a session use, shared memory counted once (PSS); 0 if the system does not report it."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) == session:
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:  # the process has ended, or belongs to another user
            continue
    return total
