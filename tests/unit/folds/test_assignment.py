"""The assignment of images to folds against iterative-stratification, a slow greedy and brute force; plans that are refused."""

import os
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
from numpy.typing import NDArray

from comp.base.errors import ConfigError, FoldError
from comp.base.schema import parse
from comp.competition.competition import FoldPlan
from comp.competition.labels import LabelSpace
from comp.folds.assignment import assign_folds
from comp.folds.fold_map import MOST_FOLDS
from tests.unit.folds.tables import Table, per_fold, random_table


@pytest.fixture(scope="module")
def real() -> Table:
    """Ids and labels of the competition's own train.csv, 31,072 x 28."""
    if "HPA_SHARED" not in os.environ:
        pytest.skip("HPA_SHARED is not set: no real train.csv")
    path = Path(os.environ["HPA_SHARED"], "hpa-tables", "train.csv")
    table = pd.read_csv(path)
    ids = table["Id"].tolist()
    return ids, LabelSpace.numbered([f"c{number}" for number in range(28)]).multi_hot(table["Target"], ids, str(path))


def antibodies(labels: NDArray[np.bool_], seed: int = 0) -> list[str]:
    """Groups of one to six rows with the same labels."""
    rng = np.random.default_rng(seed)
    group = np.empty(len(labels), int)
    group[np.lexsort(labels.T)] = np.repeat(np.arange(len(labels)), rng.choice([1, 2, 3, 4, 6], len(labels)))[: len(labels)]
    return [f"antibody-{number}" for number in group]


def worst(counts: NDArray[np.int64]) -> float:
    return float(np.abs(counts - counts.mean(0)).max())


def relative(counts: NDArray[np.int64]) -> float:
    """Mean over the classes of the worst fold's deviation as a part of its share."""
    share = counts.mean(0)
    return float((np.abs(counts - share).max(0)[share > 0] / share[share > 0]).mean())


def slow_greedy(labels: NDArray[np.bool_], groups: list[str], count: int) -> NDArray[np.int64]:
    """The usual grouped greedy: groups with the most uneven labels first, each where the labels' spread grows least."""
    totals = np.append(labels.sum(0), len(labels)).clip(1)
    of_group: dict[str, NDArray[np.int64]] = defaultdict(lambda: np.zeros(labels.shape[1] + 1, np.int64))
    for row, group in zip(labels, groups, strict=True):
        of_group[group] += np.append(row, 1)
    counts = np.zeros((count, labels.shape[1] + 1), np.int64)
    for carried in sorted(of_group.values(), key=lambda carried: -np.std(carried)):
        spreads = []
        for fold in range(count):
            counts[fold] += carried
            spreads.append((counts / totals).std(0).mean())
            counts[fold] -= carried
        counts[int(np.argmin(spreads))] += carried
    return counts


def joined_sets(groups: list[str], components: list[int]) -> int:
    """How many sets remain after rows that share a group or a component have been joined, by joining until nothing changes."""
    names = list(range(len(groups)))
    while True:
        before = names.copy()
        for row, other in combinations(range(len(groups)), 2):
            if components[row] == components[other] or "" != groups[row] == groups[other]:
                names[row] = names[other] = min(names[row], names[other])
        if names == before:
            return len(set(names))


@pytest.mark.parametrize(("count", "seed"), [(5, 0), (5, 1), (2, 0), (10, 0)])
def test_without_groups_as_balanced_as_iterative_stratification(real: Table, count: int, seed: int) -> None:
    ids, labels = real
    ours = per_fold(assign_folds(ids, labels, FoldPlan(count=count, seed=seed)), labels)
    splitter = MultilabelStratifiedKFold(count, shuffle=True, random_state=seed)
    held = [rows for _, rows in splitter.split(labels, labels)]
    theirs = np.stack([np.append(labels[rows].sum(0), len(rows)) for rows in held])
    assert worst(ours) < 1  # of every class, and of the fold sizes, which iterative-stratification misses by dozens
    assert worst(ours[:, :-1]) <= worst(theirs[:, :-1])
    assert worst(ours) <= worst(theirs)


def test_with_groups_more_balanced_than_the_slow_greedy(real: Table) -> None:
    ids, labels = real
    groups = antibodies(labels)
    assert 9_000 < len(set(groups)) < 11_000
    folds = assign_folds(ids, labels, FoldPlan(), groups=groups)
    ours, theirs = per_fold(folds, labels), slow_greedy(labels, groups, 5)
    assert not folds.known().any()
    assert relative(ours) < relative(theirs)
    assert worst(ours) <= worst(theirs)  # set by a rare class with few groups


def test_holdout_is_whole_groups_and_stratified(real: Table) -> None:
    ids, labels = real
    groups = antibodies(labels)
    folds = assign_folds(ids, labels, FoldPlan(split_groups=0.5, holdout=0.1), groups=groups)
    held = folds.fold == -1
    assert not set(np.array(groups)[held]) & set(np.array(groups)[~held])
    assert abs(held.mean() - 0.1) < 0.001
    common = labels.sum(0) > 200
    assert np.abs(labels[held].mean(0) / labels.mean(0) - 1)[common].max() < 0.05
    assert not folds.known()[held].any()
    assert folds.known()[~held].any()


def test_holdout_without_groups_is_within_one_image(real: Table) -> None:
    ids, labels = real
    folds = assign_folds(ids, labels, FoldPlan(holdout=0.1))
    assert np.abs(labels[folds.fold == -1].sum(0) - 0.1 * labels.sum(0)).max() < 1
    assert worst(per_fold(folds, labels)) < 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_belongs_together_stays_together(data: st.DataObject) -> None:
    rows = data.draw(st.integers(8, 40))
    ids, labels = random_table(rows, seed=data.draw(st.integers(0, 99)))
    groups = data.draw(st.lists(st.sampled_from(["", *"abcdefghij"]), min_size=rows, max_size=rows))
    components = data.draw(st.lists(st.integers(0, 40), min_size=rows, max_size=rows))
    plan = FoldPlan(count=data.draw(st.integers(2, 4)), split_groups=data.draw(st.sampled_from([0.0, 0.4, 1.0])))
    if joined_sets(groups, components) < plan.count:
        assume(plan.split_groups == 0)
        with pytest.raises(FoldError, match="cannot fill"):
            assign_folds(ids, labels, plan, groups=groups, components=components)
        return
    folds = assign_folds(ids, labels, plan, groups=groups, components=components)
    assert folds.ids == tuple(ids)
    assert folds.count == plan.count
    for component in set(components):
        assert len({folds.fold[row] for row in range(rows) if components[row] == component}) == 1
    if plan.split_groups == 0:
        assert not folds.known().any()
    for row in range(rows):  # a row without a group is named after the first of its near-duplicates
        duplicates = [ids[other] for other in range(rows) if components[other] == components[row]]
        assert folds.group[row] == (groups[row] or min(duplicates))


def test_near_duplicates_join_their_groups() -> None:
    ids, labels = random_table(40)
    groups = [f"g{row // 4}" for row in range(40)]  # ten groups of four
    components = list(range(40))
    components[4] = components[0]  # g0 with g1
    components[8] = components[7]  # g1 with g2
    folds = assign_folds(ids, labels, FoldPlan(), groups=groups, components=components)
    assert len(set(folds.fold[:12])) == 1


def test_split_groups_is_the_share_of_groups_that_are_split_over_folds() -> None:
    ids, labels = random_table(4000)
    groups = [f"g{row // 20}" for row in range(4000)]  # so large that a group that may be split always is

    def split(share: float) -> int:
        folds = assign_folds(ids, labels, FoldPlan(split_groups=share), groups=groups)
        return sum(len(set(folds.fold[start : start + 20])) > 1 for start in range(0, 4000, 20))

    assert [split(share) for share in (0.0, 0.25, 1.0)] == [0, 50, 200]


@pytest.mark.parametrize("plan", [FoldPlan(), FoldPlan(split_groups=0.5), FoldPlan(holdout=0.2)])
def test_the_order_of_the_rows_does_not_matter(plan: FoldPlan) -> None:
    ids, labels = random_table(500)
    groups, components = [f"g{row // 3}" for row in range(500)], [f"c{row // 2}" for row in range(500)]
    folds = assign_folds(ids, labels, plan, groups=groups, components=components)
    order = np.random.default_rng(1).permutation(500)
    shuffled = assign_folds(
        [ids[row] for row in order],
        labels[order],
        plan,
        groups=[groups[row] for row in order],
        components=[components[row] for row in order],
    )
    assert dict(zip(folds.ids, folds.fold, strict=True)) == dict(zip(shuffled.ids, shuffled.fold, strict=True))
    assert folds.fingerprint == shuffled.fingerprint
    assert shuffled.in_order(ids).fold.tolist() == folds.fold.tolist()
    assert shuffled.in_order(ids).group == folds.group


def test_the_seed_decides() -> None:
    ids, labels = random_table(500)
    first, again, other = (assign_folds(ids, labels, FoldPlan(seed=seed)).fingerprint for seed in (3, 3, 4))
    assert first == again != other


def test_classes_rarer_than_folds_and_images_without_labels() -> None:
    ids, labels = random_table(23)
    labels[:5] = False
    folds = assign_folds(ids, labels, FoldPlan(count=5))
    assert sorted(per_fold(folds, labels)[:, -1]) == [4, 4, 5, 5, 5]
    assert assign_folds(ids[:2], np.zeros((2, 0), bool), FoldPlan(count=2)).count == 2


def test_missing_groups_are_not_one_group() -> None:
    ids, labels = random_table(30)
    groups = pd.Series(["a", "a", None, np.nan, ""] * 6, dtype=object)
    folds = assign_folds(ids, labels, FoldPlan(), groups=groups)
    assert sum(name == "a" for name in folds.group) == 12
    assert len(set(folds.group)) == 19


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 7}, "6 groups cannot fill 7 folds"),
        ({"groups": ["a", "a", "a", "a", "a", "b"]}, "2 groups cannot fill 5 folds"),
        ({"components": [0, 0, 1, 1, 2, 2]}, "3 groups cannot fill 5 folds"),
        ({"groups": ["a"] * 5}, "6 ids, but 5 groups"),
        ({"components": [1]}, "6 ids, but 1 components"),
        ({"holdout": 0.01}, "hold-out"),
        ({"holdout": 0.9}, "cannot fill 5 folds"),
    ],
)
def test_impossible_plans_and_wrong_lengths_are_refused(options: dict[str, object], message: str) -> None:
    ids, labels = random_table(6)
    plan = FoldPlan.model_validate({key: options[key] for key in options.keys() & FoldPlan.model_fields})
    known: dict[str, Any] = {key: options[key] for key in options.keys() - FoldPlan.model_fields}
    with pytest.raises(FoldError) as caught:
        assign_folds(ids, labels, plan, **known)
    assert message in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("count", 1), ("count", MOST_FOLDS + 1), ("split_groups", 1.5), ("holdout", 1.0)])
def test_plans_outside_their_bounds_are_refused(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"tiny\.yaml: {key}"):
        parse(FoldPlan, {key: value}, "tiny.yaml")


def test_repeated_ids_and_missing_labels_are_refused() -> None:
    ids, labels = random_table(6)
    with pytest.raises(FoldError, match=f"id {ids[0]} comes twice"):
        assign_folds([*ids[:5], ids[0]], labels, FoldPlan())
    with pytest.raises(FoldError, match="6 ids, but 5 rows of labels"):
        assign_folds(ids, labels[:5], FoldPlan())
