"""By how many standard errors should a candidate have to win? The choice between candidates on synthetic predictions.

    python -m tests.studies.min_gain                         # measures what is not cached yet, then prints the tables
    python -m tests.studies.min_gain --blenders mean best_single greedy --thresholds exact bagged    # only these

For every seed and kind of world (light or heavy tails, good members or also bad ones) the study runs each candidate's nested
cross-validation as `comp.stacking.evaluation.evaluate` does. It also scores each candidate, fitted on all rows, on fresh rows.
The results are cached, so other rules of choice between the candidates can be studied without fitting again.
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import GroupBootstrap, Scored
from comp.metrics.macro_f1 import f1_from_counts
from comp.stacking.candidates import Candidates, choose
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from tests.studies.synthetic_oof import CELLS, World, draw_world, fresh_scores

BLENDERS: dict[str, dict[str, Any]] = {  # in order of preference
    "mean": {"name": "mean"},
    "bagged_greedy": {"name": "greedy", "bags": 10},
    "greedy": {"name": "greedy", "steps": 10},
    "convex": {"name": "convex"},
    "logistic": {"name": "logistic"},
    "rank_mean": {"name": "rank_mean"},
    "vote": {"name": "vote"},
    "best_single": {"name": "best_single"},
}
RULES: dict[str, dict[str, Any]] = {
    "several": {"name": "committee"},
    "bagged": {"name": "bagged", "bags": 25},
    "exact": {"name": "exact"},
    "single": {"name": "single"},
    "smoothed": {"name": "smoothed"},
    "shrunk": {"name": "shrunk", "own": {"name": "bagged", "bags": 25}},
    "plugin": {"name": "plugin"},
    "isotonic": {"name": "plugin", "calibrator": "isotonic"},
    "ratio": {"name": "ratio"},
}
STUDIED = ("mean", "bagged_greedy", "best_single"), ("several", "bagged")  # the default stack's
SINGLE = "best_single"
MULTIPLIERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
LABELLED, FRESH, FOLDS, BOOTSTRAPS = 2000, 60_000, 5, 200
REFERENCE = "mean"


@dataclass(frozen=True, eq=False)
class Measured:
    """S candidates on one world.

    Attributes:
        names: S pairs of a blender and a threshold rule, in order of preference.
        values, draws: (1 + K, S), (1 + K, S, bootstraps): nested scores over all rows, then over the rows outside each outer fold.
        hits, predicted: (K, S, C) counts of the decisions about each outer fold.
        positives: (K, C).
        fresh: (S,) macro F1 on fresh rows of each candidate, fitted on all rows.
        in_samples: (S,) the same as a mean over samples as large as the labelled rows (see `FreshScores`).
    """

    names: list[tuple[str, str]]
    values: NDArray[np.float64]
    draws: NDArray[np.float64]
    hits: NDArray[np.int64]
    predicted: NDArray[np.int64]
    positives: NDArray[np.int64]
    fresh: NDArray[np.float64]
    in_samples: NDArray[np.float64]

    def scored(self, subset: int) -> list[Scored]:
        """Nested scores: over all rows for subset 0, over the rows that the choice for outer fold k may use for subset 1 + k."""
        return [Scored(float(value), draws) for value, draws in zip(self.values[subset], self.draws[subset], strict=True)]

    def full_pipeline(self, choices: list[int]) -> float:
        """Nested macro F1 of a full pipeline that chose these candidates, one per outer fold."""
        folds = np.arange(len(choices))
        hits, predicted = self.hits[folds, choices].sum(axis=0), self.predicted[folds, choices].sum(axis=0)
        return float(f1_from_counts(hits, predicted - hits, self.positives.sum(axis=0) - hits).mean())


def measure(world: World, blenders: Sequence[str], rules: Sequence[str]) -> dict[str, dict[str, NDArray]]:
    """For each blender, the arrays of `Measured` with every rule."""
    labelled = world.labelled(LABELLED)
    labels = labelled.known_labels
    specs = tuple(RULES[rule] for rule in rules)
    candidates = {name: Recipe(blenders=(BLENDERS[name],), thresholds=specs).candidates() for name in blenders}
    fresh = fresh_scores([stack for own in candidates.values() for stack in own.fit(labelled)], world, FRESH)
    folds = [labelled.folds == fold for fold in range(FOLDS)]
    subsets = [np.ones(len(labelled), bool), *(~fold for fold in folds)]
    bootstraps = [GroupBootstrap(labels[rows], labelled.groups[rows], BOOTSTRAPS, 0) for rows in subsets]
    found = {}
    for number, name in enumerate(blenders):
        own = slice(number * len(rules), (number + 1) * len(rules))
        outer, inner = nested_decisions(candidates[name], labelled)
        sets = zip(bootstraps, subsets, [outer, *inner], strict=True)
        scored = [[bootstrap.score(one[rows]) for one in decisions] for bootstrap, rows, decisions in sets]
        found[name] = {
            "values": np.array([[one.value for one in each] for each in scored]),
            "draws": np.array([[one.resampled for one in each] for each in scored], np.float32),
            "hits": np.array([[(labels[fold] & one[fold]).sum(axis=0) for one in outer] for fold in folds]),
            "predicted": np.array([[one[fold].sum(axis=0) for one in outer] for fold in folds]),
            "positives": np.array([labels[fold].sum(axis=0) for fold in folds]),
            "fresh": fresh.pooled[own],
            "in_samples": fresh.in_samples[own],
            "rules": np.array(rules),
        }
    return found


def nested_decisions(candidates: Candidates, labelled: PredictionSet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Decisions (S, N, C) by stacks fitted without the row's fold, and (K, S, N, C) by stacks fitted without the row's fold and fold k."""
    shape = (len(candidates.names), *labelled.known_labels.shape)
    outer, inner = np.zeros(shape, bool), np.zeros((FOLDS, *shape), bool)
    for left_out in [*combinations(range(FOLDS), 2), *combinations(range(FOLDS), 1)]:
        held = np.isin(labelled.folds, left_out)
        decided = candidates.decide(candidates.fit(labelled.take(~held)), labelled.take(held))
        if len(left_out) == 1:
            outer[:, held] = decided
        else:
            for fold, other in (left_out, left_out[::-1]):
                inner[fold][:, labelled.folds == other] = decided[:, labelled.folds[held] == other]
    return outer, inner


def measured(task: tuple[int, tuple[str, str]], blenders: Sequence[str], rules: Sequence[str], cache: Path) -> Measured:
    """All candidates on the world of one seed and kind; measures those that are not in the cache."""
    seed, cell = task
    paths = {blender: cache / f"{'-'.join(cell)}-{seed}-{blender}.npz" for blender in blenders}
    if missing := [blender for blender, path in paths.items() if not holds(path, rules)]:
        cache.mkdir(parents=True, exist_ok=True)
        for blender, arrays in measure(draw_world(seed, *cell, count=LABELLED), missing, rules).items():
            np.savez(paths[blender], **arrays)  # type: ignore[arg-type]  # its stubs take the last keyword for a flag
    found: dict[str, list[NDArray]] = {}
    for path in paths.values():
        with np.load(path) as arrays:
            columns = [arrays["rules"].tolist().index(rule) for rule in rules]
            for name in ("values", "draws", "hits", "predicted"):
                found.setdefault(name, []).append(arrays[name][:, columns])
            for name in ("fresh", "in_samples"):
                found.setdefault(name, []).append(arrays[name][columns])
            positives = arrays["positives"]
    values, draws, hits, predicted = (np.concatenate(found[name], axis=1) for name in ("values", "draws", "hits", "predicted"))
    fresh, in_samples = (np.concatenate(found[name]) for name in ("fresh", "in_samples"))
    order = np.arange(len(fresh)).reshape(len(blenders), len(rules)).T.ravel()  # all blenders with the first rule, then with the next
    names = [(blender, rule) for rule in rules for blender in blenders]
    values, draws, hits, predicted = (array[:, order] for array in (values, draws, hits, predicted))
    return Measured(names, values, draws, hits, predicted, positives, fresh[order], in_samples[order])


def holds(path: Path, rules: Sequence[str]) -> bool:
    if not path.exists():
        return False
    with np.load(path) as arrays:
        return set(rules) <= set(arrays["rules"].tolist())


def all_alike(scored: list[Scored], multiplier: float, _: frozenset[int]) -> int:
    """The rule of choice without a margin for single models."""
    return choose(scored, multiplier)


CHOICES: dict[str, Callable[[list[Scored], float, frozenset[int]], int]] = {"single models last": choose, "all alike": all_alike}


@dataclass(frozen=True)
class Outcome:
    """The result of one rule of choice on one world, in macro F1.

    Attributes:
        regret: score on fresh rows of the best candidate in hindsight, minus that of the chosen one.
        gain: score on fresh rows minus that of the reference blender, whose rule is chosen the same way.
        chose_other: the chosen blender is not the reference.
        optimism: nested score of the full pipeline minus the chosen stack's score on fresh rows.
        optimism_in_samples: the same against samples of the fresh rows as large as the labelled rows.
        winners_curse: the same with the chosen candidate's own nested score instead of the full pipeline's.
    """

    regret: float
    gain: float
    chose_other: bool
    optimism: float
    optimism_in_samples: float
    winners_curse: float

    @property
    def chose_worse(self) -> bool:
        """The choice of another blender was a mistake."""
        return self.chose_other and self.gain < 0


def outcome(world: Measured, choice: Callable[[list[Scored], float, frozenset[int]], int], multiplier: float) -> Outcome:
    singles = frozenset(number for number, (blender, _) in enumerate(world.names) if blender == SINGLE)
    scored = world.scored(0)
    chosen = choice(scored, multiplier, singles)
    own = [number for number, (blender, _) in enumerate(world.names) if blender == REFERENCE]
    reference = own[choose([scored[number] for number in own], multiplier)]
    folds = len(world.positives)
    nested = world.full_pipeline([choice(world.scored(1 + fold), multiplier, singles) for fold in range(folds)])
    fresh = float(world.fresh[chosen])
    return Outcome(
        float(world.fresh.max()) - fresh,
        fresh - float(world.fresh[reference]),
        world.names[chosen][0] != REFERENCE,
        nested - fresh,
        nested - float(world.in_samples[chosen]),
        float(world.values[0, chosen]) - float(world.in_samples[chosen]),
    )


def with_error(values: list[float]) -> str:
    return f"{np.mean(values):+.4f} +- {np.std(values, ddof=1) / len(values) ** 0.5:.4f}"


def candidates_table(worlds: list[Measured]) -> str:
    fresh = np.array([world.fresh for world in worlds])
    optimism = np.array([world.values[0] - world.in_samples for world in worlds])
    lines = [f"{'candidate':24} {'fresh':>7} {'nested - in samples':>18}  best in hindsight"]
    for number, name in enumerate(worlds[0].names):
        best = (fresh.argmax(axis=1) == number).mean()
        lines.append(f"{' + '.join(name):24} {fresh[:, number].mean():7.4f} {with_error(list(optimism[:, number])):>18}  {best:.2f}")
    return "\n".join(lines)


def choices_table(worlds: list[Measured]) -> str:
    head = f"{'choice':24} {'s.e.':>4} {'regret':>18} {'gain over mean':>18} {'not mean':>8} {'worse':>7}"
    lines = [f"{head} {'nested - fresh':>18} {'nested - in samples':>18} {'same, candidate':>18}"]
    for (title, choice), multiplier in product(CHOICES.items(), MULTIPLIERS):
        all_ = [outcome(world, choice, multiplier) for world in worlds]
        lines.append(
            f"{title:24} {multiplier:4.1f} {with_error([one.regret for one in all_]):>18} {with_error([one.gain for one in all_]):>18} "
            f"{np.mean([one.chose_other for one in all_]):8.2f} {np.mean([one.chose_worse for one in all_]):7.3f} "
            f"{with_error([one.optimism for one in all_]):>18} {with_error([one.optimism_in_samples for one in all_]):>18} "
            f"{with_error([one.winners_curse for one in all_]):>18}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs=2, type=int, default=(0, 20), metavar=("FIRST", "END"))
    parser.add_argument("--blenders", nargs="+", choices=BLENDERS, default=STUDIED[0])
    parser.add_argument("--thresholds", nargs="+", choices=RULES, default=STUDIED[1])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path("runs/min-gain"))
    given = parser.parse_args()
    blenders, rules = list(given.blenders), list(given.thresholds)
    tasks = list(product(range(*given.seeds), CELLS))
    with ProcessPoolExecutor(given.workers) as pool:
        repeated = ([one] * len(tasks) for one in (blenders, rules, given.cache))
        worlds = list(pool.map(measured, tasks, *repeated))
    for cell in CELLS:
        own = [world for world, task in zip(worlds, tasks, strict=True) if task[1] == cell]
        print(f"\n{cell[0]} tails, {cell[1]} members, {len(own)} worlds\n\n{candidates_table(own)}\n\n{choices_table(own)}")
    print(f"\nall {len(worlds)} worlds\n\n{choices_table(worlds)}")


if __name__ == "__main__":
    main()
