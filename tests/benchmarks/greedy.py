"""Greedy selection on macro F1 against AutoGluon's EnsembleSelection with the same metric, at the size of the HPA competition."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import CompError
from comp.metrics.f1_search import best_f1, class_major, positive_rows
from comp.metrics.logits import sigmoid
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.inputs import ROWS
from tests.benchmarks.logits import synthetic_predictions
from tests.benchmarks.paired import Ratio, Side, alternate, timed
from tests.benchmarks.peers.autogluon_process import AutoGluon
from tests.benchmarks.peers.worker_process import PYTHON
from tests.benchmarks.results import Result, at_least

MODELS, STEPS = 8, 25
LIMIT = 4.0
CUMULATIVE, OUR_METRIC = "cumulative sums", "comp.metrics.f1_search"  # metrics of autogluon_worker


def measure(folder: Path, rows: int = ROWS, rounds: int = 5, python: Path = PYTHON) -> list[Result]:
    labelled = synthetic_predictions(MODELS, rows)
    ours = registry.build("blenders", {"name": "greedy", "steps": STEPS})
    name = f"greedy of {MODELS} x {rows:,} x {labelled.logits.shape[2]}, time: EnsembleSelection"
    weights: dict[str, list[float]] = {}
    try:
        with AutoGluon(python) as autogluon:
            autogluon.give(train=sigmoid(labelled.logits.astype(np.float64)), labels=labelled.known_labels)

            def theirs(metric: str) -> Side:
                def select() -> float:
                    answer = autogluon.ask("select", metric=metric)
                    weights[metric] = answer["weights"]
                    return answer["seconds"]

                return select

            sides = {
                "ours": timed(lambda: ours.fit(labelled)),
                CUMULATIVE: theirs(CUMULATIVE),
                OUR_METRIC: theirs(OUR_METRIC),
                "again": theirs(CUMULATIVE),
            }
            seconds = alternate(sides, rounds, "greedy")
    except CompError as error:
        return [Result(f"{name} / ours", "not measured", note=str(error))]
    state = ours.fit(labelled)
    reached = {"ours": np.array([state.get(model, 0.0) for model in labelled.models])}
    reached |= {metric: np.array(found) for metric, found in weights.items()}
    note = "; ".join(
        f"{side} {np.median(seconds[side]):.2f} s, macro F1 {macro_f1(labelled, found):.6f}" for side, found in reached.items()
    )
    control = Ratio.of(seconds[CUMULATIVE], seconds["again"])
    return [
        at_least(LIMIT, f"{name} with {CUMULATIVE} / ours", Ratio.of(seconds[CUMULATIVE], seconds["ours"]), control, note),
        Result(f"{name} with our metric / ours", str(Ratio.of(seconds[OUR_METRIC], seconds["ours"]))),
    ]


def macro_f1(labelled: PredictionSet, weights: NDArray[np.float64]) -> float:
    """In-sample macro F1 of the weighted mean of probabilities, with the best threshold of each class."""
    blend = np.tensordot(weights, sigmoid(labelled.logits.astype(np.float64)), 1)
    return float(best_f1(class_major(blend), positive_rows(labelled.known_labels)).mean())
