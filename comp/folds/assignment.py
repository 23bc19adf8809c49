"""Assigning images to folds: stratified by label, with near-duplicates and groups kept together."""

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from comp.base.errors import FoldError
from comp.competition.competition import FoldPlan
from comp.folds.fold_map import FEWEST_FOLDS, HOLDOUT, FoldMap, check_unique
from comp.folds.stratified_split import stratified_split


def assign_folds(
    ids: Sequence[str],
    labels: NDArray[np.bool_],
    plan: FoldPlan,
    *,
    groups: Sequence[str] | None = None,
    components: Sequence[Hashable] | None = None,
) -> FoldMap:
    """Assign images to folds so that every fold has its share of every class, and similar images stay together.

    An id gets the same fold in whatever order the ids come. The rows of the result are in the order of `ids`.

    Args:
        labels: (N, C) multi-hot; classes without an image are ignored.
        groups: what makes images look alike (the antibody, the plate), "" where unknown.
        components: sets of near-duplicates, one value per set. A set is never split, and joins the groups it touches.

    Raises:
        FoldError: lengths differ, ids repeat, or there are too few groups, or too large ones, for the plan.
    """
    for what, values in (("rows of labels", labels), ("groups", groups), ("components", components)):
        if values is not None and len(values) != len(ids):
            raise FoldError(f"{len(ids)} ids, but {len(values)} {what}", "give every id one")
    check_unique(ids)
    order = np.argsort(np.asarray(ids, str), kind="stable")
    rng = np.random.default_rng(plan.seed)
    counted = np.c_[np.asarray(labels, bool)[order], np.ones(len(ids), bool)].astype(np.int64)
    names = np.asarray(ids, str)[order]
    component = np.arange(len(ids)) if components is None else pd.factorize(np.asarray(components, object)[order])[0]
    group = names[np.unique(component, return_index=True)[1]][component]  # the first id of each set of near-duplicates
    if groups is not None:
        given = pd.Series(list(groups), dtype=object).fillna("").astype(str).to_numpy(str)[order]
        group = np.where(given == "", group, given)
    unit = _connected(pd.factorize(group)[0], component)

    bins = np.zeros(len(ids), np.int8)
    if plan.holdout:
        shares = np.array([plan.holdout, 1 - plan.holdout])
        bins = stratified_split(_unit_sums(counted, unit), shares, rng)[unit] - np.int8(1)
        if not (bins == HOLDOUT).any():
            raise FoldError(f"no group is small enough for a hold-out of {plan.holdout:.3g} of {len(ids)} images", "ask for a larger share")
    rest = bins != HOLDOUT
    unit = np.unique(_with_split_groups(unit[rest], component[rest], plan.split_groups, rng), return_inverse=True)[1]
    if (available := unit.max(initial=-1) + 1) < plan.count:
        fewer = f"ask for at most {available} folds, or for" if available >= FEWEST_FOLDS else "ask for"
        then = f"{fewer} {'a smaller hold-out' if plan.holdout else 'smaller groups'}"
        raise FoldError(f"{available} groups cannot fill {plan.count} folds", then)
    bins[rest] = stratified_split(_unit_sums(counted[rest], unit), np.full(plan.count, 1 / plan.count), rng)[unit]

    back = np.argsort(order)
    return FoldMap(tuple(map(str, ids)), bins[back], tuple(group[back].tolist()))


def _connected(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) numbers, equal for rows that a chain of equal values in either of the two arrays connects."""
    shape = (first.max() + 1, second.max() + 1)
    nodes = sum(shape)
    links = coo_array((np.ones(len(first), bool), (first, second + shape[0])), shape=(nodes, nodes))
    return connected_components(links, directed=False)[1][first].astype(np.int64)


def _with_split_groups(unit: NDArray[np.int64], component: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) units, after `share` of those with several components has been split into their components."""
    components_of = pd.DataFrame({"unit": unit, "component": component}).groupby("unit")["component"].nunique()
    several = components_of.index[components_of > 1].to_numpy()
    split = rng.choice(several, round(share * len(several)), replace=False)
    return np.where(np.isin(unit, split), component + unit.max(initial=0) + 1, unit)


def _unit_sums(counted: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """(U, D) the sums of the rows (N, D) of each unit."""
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(unit[order]) > 0])
    return np.add.reduceat(counted[order], starts)
