"""What it costs that thresholds are tuned on single networks but applied to means over folds, measured on synthetic predictions.

    python -m tests.studies.averaged_folds --seeds 0 20

An out-of-fold prediction comes from one network of a model. A test prediction is the mean over the networks of all folds. The study
measures the cost of this difference and the gain of a correction without labels: each threshold moves so that it predicts as many
test rows on the fold mean as, on average, on a single network.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from comp.metrics.f1_search import best_thresholds
from comp.metrics.logits import logit, sigmoid
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.averaged_folds import matched
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from comp.stacking.stack import Stack
from tests.studies.synthetic_oof import TAILS, draw_world

FOLDS, LABELLED, TEST = 5, 2000, 20_000
APART = (0.1, 0.3, 0.6)  # share of the error variance that is each network's own
SHIFTS = (0.0, 0.5)  # standard deviation of what each network adds to all its logits of a class
RULE = "bagged"
METHODS = ("OOF thresholds", "single networks", "shares matched", "of fold means", "of the test")


def study(seed: int, tails: str, apart: float, shift: float) -> dict[str, list[float]]:
    """Macro F1 on fresh rows for each of `METHODS`, with fold means of logits and of probabilities.

    "OOF thresholds" are applied to fold means; for "single networks" the same thresholds are applied to each network, which is what a
    nested score estimates. Thresholds "of fold means" are tuned on fold means of the same labelled rows: their gain is the cost of
    the difference. Those "of the test" are the best in hindsight.
    """
    world = draw_world(seed, tails, "good", count=LABELLED, good=3)
    rng = np.random.default_rng([seed, 3])
    models, classes = world.skill.shape
    shifts = (shift * rng.standard_normal((FOLDS, models, 1, classes))).astype(np.float32)

    def networks(count: int) -> tuple[PredictionSet, NDArray[np.float32]]:
        predictions = world.draw_networks(count, rng, FOLDS, apart)
        return predictions[0], np.array([each.logits for each in predictions]) + shifts

    known, known_logits = networks(LABELLED)
    fold = (known.groups % FOLDS).astype(np.int8)
    known = replace(known, folds=fold)
    candidates = Recipe(blenders=({"name": "mean"},), thresholds=({"name": RULE},)).candidates()
    out_of_fold = np.take_along_axis(known_logits, fold[None, None, :, None].astype(int), axis=0)[0]
    (stack,) = candidates.fit(replace(known, logits=out_of_fold))

    test, logits = networks(TEST)
    labels = test.known_labels
    single = np.array([blended(stack, test, of_fold) for of_fold in logits])
    single_score = float(np.mean([score(stack, labels, one, stack.thresholds) for one in single]))
    found = {}
    for averaged, mean in MEANS.items():
        blend = blended(stack, test, mean(logits))
        (on_means,) = candidates.fit(replace(known, logits=mean(known_logits)))
        moved = matched(stack.thresholds, [*single], blend)
        of_means = [score(stack, labels, blend, each) for each in (moved, on_means.thresholds, best_thresholds(blend, labels))]
        found[averaged] = [score(stack, labels, blend, stack.thresholds), single_score, *of_means]
    return found


def mean_of_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, M, N, C) -> (M, N, C) logits."""
    return logit(sigmoid(logits).mean(axis=0))


MEANS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "logits": lambda logits: logits.mean(axis=0),
    "probabilities": mean_of_probabilities,
}


def blended(stack: Stack, predictions: PredictionSet, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return stack.blended(PredictionSet(logits, predictions.models, predictions.folds, predictions.groups)).logits[0]


def score(stack: Stack, labels: NDArray[np.bool_], blend: NDArray[np.float32], thresholds: NDArray[np.float64]) -> float:
    count = len(blend)
    predictions = PredictionSet(blend[None], ("blend",), np.zeros(count, np.int8), np.arange(count))
    return macro_f1(labels, replace(stack, thresholds=thresholds).decide(predictions)[0])


def with_error(values: NDArray[np.float64]) -> str:
    return f"{values.mean():+.4f} +- {values.std(ddof=1) / len(values) ** 0.5:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs=2, type=int, default=(0, 20), metavar=("FIRST", "END"))
    given = parser.parse_args()
    worlds = given.seeds[1] - given.seeds[0]
    print(f"macro F1 on {TEST} fresh rows, {worlds} worlds per line; columns after {METHODS[0]!r} are differences from it")
    print(f"{'tails':5} {'apart':>5} {'shift':>5}  {'mean of':13} {METHODS[0]:>14}" + "".join(f"{one:>19}" for one in METHODS[1:]))
    for tails, apart, shift in product(TAILS, APART, SHIFTS):
        found = [study(seed, tails, apart, shift) for seed in range(*given.seeds)]
        for averaged in MEANS:
            scores = np.array([one[averaged] for one in found])
            differences = (scores[:, 1:] - scores[:, :1]).T
            line = f"{tails:5} {apart:5.1f} {shift:5.1f}  {averaged:13} {scores[:, 0].mean():14.4f}"
            print(line + "".join(f"{with_error(one):>19}" for one in differences), flush=True)


if __name__ == "__main__":
    main()
