"""Greedy selection on macro F1 against AutoGluon's EnsembleSelection with the same metric, at the size of the competition."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp import parts
from comp.cuts import best_f1, class_major, positive_rows
from comp.errors import CompError
from comp.metrics import sigmoid
from comp.rows import Rows
from pipelines.benchmarks.inputs import ROWS
from pipelines.benchmarks.logits import drawn_rows
from pipelines.benchmarks.paired import Ratio, Side, alternate, timed
from pipelines.benchmarks.peers.autogluon_process import PYTHON, AutoGluon
from pipelines.benchmarks.results import Result, at_least

MODELS, STEPS = 8, 25
LIMIT = 4.0
CUMULATIVE, OUR_METRIC = "cumulative sums", "comp.cuts"  # metrics of the worker


def measure(folder: Path, rows: int = ROWS, rounds: int = 5, python: Path = PYTHON) -> list[Result]:
    drawn = drawn_rows(MODELS, rows)
    ours = parts.build("blenders", {"name": "greedy", "steps": STEPS})
    name = f"greedy of {MODELS} x {rows:,} x {drawn.logits.shape[2]}, time: EnsembleSelection"
    weights: dict[str, list[float]] = {}
    try:
        with AutoGluon(python) as autogluon:
            autogluon.give(train=sigmoid(drawn.logits.astype(np.float64)), labels=drawn.known_labels)

            def theirs(metric: str) -> Side:
                def select() -> float:
                    answer = autogluon.ask("select", metric=metric)
                    weights[metric] = answer["weights"]
                    return answer["seconds"]

                return select

            sides = {
                "ours": timed(lambda: ours.fit(drawn)),
                CUMULATIVE: theirs(CUMULATIVE),
                OUR_METRIC: theirs(OUR_METRIC),
                "again": theirs(CUMULATIVE),
            }
            seconds = alternate(sides, rounds, "greedy")
    except CompError as error:
        return [Result(f"{name} / ours", "not measured", note=str(error))]
    state = ours.fit(drawn)
    reached = {"ours": np.array([state.get(model, 0.0) for model in drawn.models])}
    reached |= {metric: np.array(found) for metric, found in weights.items()}
    note = "; ".join(f"{side} {np.median(seconds[side]):.2f} s, macro F1 {macro_f1(drawn, found):.6f}" for side, found in reached.items())
    control = Ratio.of(seconds[CUMULATIVE], seconds["again"])
    return [
        at_least(LIMIT, f"{name} with {CUMULATIVE} / ours", Ratio.of(seconds[CUMULATIVE], seconds["ours"]), control, note),
        Result(f"{name} with our metric / ours", str(Ratio.of(seconds[OUR_METRIC], seconds["ours"]))),
    ]


def macro_f1(rows: Rows, weights: NDArray[np.float64]) -> float:
    """In-sample macro F1 of the weighted mean of probabilities, each class at its best threshold."""
    blend = np.tensordot(weights, sigmoid(rows.logits.astype(np.float64)), 1)
    return float(best_f1(class_major(blend), positive_rows(rows.known_labels)).mean())
