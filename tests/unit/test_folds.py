"""The fold map against iterative-stratification, a slow greedy, and brute force; what it refuses."""

import os
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
from numpy.typing import NDArray

from comp.errors import FoldError
from comp.folds import Folds, assign, balance_table
from comp.labels import LabelSpace

Table = tuple[list[str], NDArray[np.bool_]]


@pytest.fixture(scope="module")
def real() -> Table:
    """Ids and labels of the competition's own train.csv, 31,072 x 28."""
    if "HPA_SHARED" not in os.environ:
        pytest.skip("HPA_SHARED is not set: no real train.csv")
    path = Path(os.environ["HPA_SHARED"], "hpa-tables", "train.csv")
    table = pd.read_csv(path)
    ids = table["Id"].tolist()
    return ids, LabelSpace.numbered([f"c{number}" for number in range(28)]).multi_hot(table["Target"], ids, str(path))


def drawn(rows: int, classes: int = 12, seed: int = 0) -> Table:
    """Labels as imbalanced as HPA's; the last two classes have one image and none."""
    rng = np.random.default_rng(seed)
    labels = rng.random((rows, classes)) < 0.5 * 0.6 ** np.arange(classes)
    labels[:, -2:] = False
    labels[rows // 2, -2] = True
    return [f"image-{row:05d}" for row in rng.permutation(rows)], labels


def antibodies(labels: NDArray[np.bool_], seed: int = 0) -> list[str]:
    """Groups of one to six rows with the same labels."""
    rng = np.random.default_rng(seed)
    group = np.empty(len(labels), int)
    group[np.lexsort(labels.T)] = np.repeat(np.arange(len(labels)), rng.choice([1, 2, 3, 4, 6], len(labels)))[: len(labels)]
    return [f"antibody-{number}" for number in group]


def per_fold(folds: Folds, labels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(K, C + 1) images of each class, and all images, in each fold."""
    return np.stack([np.append(labels[folds.fold == fold].sum(0), (folds.fold == fold).sum()) for fold in range(folds.count)])


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
    ours = per_fold(assign(ids, labels, count=count, seed=seed), labels)
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
    folds = assign(ids, labels, groups=groups)
    ours, theirs = per_fold(folds, labels), slow_greedy(labels, groups, 5)
    assert not folds.known().any()
    assert relative(ours) < relative(theirs)
    assert worst(ours) <= worst(theirs)  # set by a rare class with few groups


def test_holdout_is_whole_groups_and_stratified(real: Table) -> None:
    ids, labels = real
    groups = antibodies(labels)
    folds = assign(ids, labels, groups=groups, overlap=0.5, holdout=0.1)
    held = folds.fold == -1
    assert not set(np.array(groups)[held]) & set(np.array(groups)[~held])
    assert abs(held.mean() - 0.1) < 0.001
    common = labels.sum(0) > 200
    assert np.abs(labels[held].mean(0) / labels.mean(0) - 1)[common].max() < 0.05
    assert not folds.known()[held].any()
    assert folds.known()[~held].any()


def test_holdout_without_groups_is_within_one_image(real: Table) -> None:
    ids, labels = real
    folds = assign(ids, labels, holdout=0.1)
    assert np.abs(labels[folds.fold == -1].sum(0) - 0.1 * labels.sum(0)).max() < 1
    assert worst(per_fold(folds, labels)) < 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_belongs_together_stays_together(data: st.DataObject) -> None:
    rows = data.draw(st.integers(8, 40))
    ids, labels = drawn(rows, seed=data.draw(st.integers(0, 99)))
    groups = data.draw(st.lists(st.sampled_from(["", *"abcdefghij"]), min_size=rows, max_size=rows))
    components = data.draw(st.lists(st.integers(0, 40), min_size=rows, max_size=rows))
    count, overlap = data.draw(st.integers(2, 4)), data.draw(st.sampled_from([0.0, 0.4, 1.0]))
    if joined_sets(groups, components) < count:
        assume(overlap == 0)
        with pytest.raises(FoldError, match="cannot fill"):
            assign(ids, labels, count=count, groups=groups, components=components)
        return
    folds = assign(ids, labels, count=count, groups=groups, components=components, overlap=overlap)
    assert folds.ids == tuple(ids)
    assert folds.count == count
    for component in set(components):
        assert len({folds.fold[row] for row in range(rows) if components[row] == component}) == 1
    if overlap == 0:
        assert not folds.known().any()
    for row in range(rows):  # a row without a group is named after the first of its near-duplicates
        twins = [ids[other] for other in range(rows) if components[other] == components[row]]
        assert folds.group[row] == (groups[row] or min(twins))


def test_near_duplicates_join_their_groups() -> None:
    ids, labels = drawn(40)
    groups = [f"g{row // 4}" for row in range(40)]  # ten groups of four
    components = list(range(40))
    components[4] = components[0]  # g0 with g1
    components[8] = components[7]  # g1 with g2
    folds = assign(ids, labels, groups=groups, components=components)
    assert len(set(folds.fold[:12])) == 1


def test_overlap_lets_its_share_of_groups_straddle() -> None:
    ids, labels = drawn(4000)
    groups = [f"g{row // 20}" for row in range(4000)]  # so large that one that may straddle does

    def straddling(overlap: float) -> int:
        folds = assign(ids, labels, groups=groups, overlap=overlap)
        return sum(len(set(folds.fold[start : start + 20])) > 1 for start in range(0, 4000, 20))

    assert [straddling(overlap) for overlap in (0.0, 0.25, 1.0)] == [0, 50, 200]


def test_known_rows_are_those_whose_group_other_folds_train_on() -> None:
    rng = np.random.default_rng(0)
    fold, group = rng.integers(-1, 4, 300).astype(np.int8), rng.integers(0, 120, 300).astype(str)
    folds = Folds(tuple(map(str, range(300))), fold, tuple(group))
    expected = [any(fold[other] not in (-1, fold[row]) for other in np.flatnonzero(group == group[row])) for row in range(300)]
    assert folds.known().tolist() == expected
    assert 0 < sum(expected) < 300


@pytest.mark.parametrize("options", [{}, {"overlap": 0.5}, {"holdout": 0.2}])
def test_the_order_of_the_rows_does_not_matter(options: dict[str, float]) -> None:
    ids, labels = drawn(500)
    groups, components = [f"g{row // 3}" for row in range(500)], [f"c{row // 2}" for row in range(500)]
    folds = assign(ids, labels, groups=groups, components=components, **options)
    order = np.random.default_rng(1).permutation(500)
    shuffled = assign(
        [ids[row] for row in order],
        labels[order],
        groups=[groups[row] for row in order],
        components=[components[row] for row in order],
        **options,
    )
    assert dict(zip(folds.ids, folds.fold, strict=True)) == dict(zip(shuffled.ids, shuffled.fold, strict=True))
    assert folds.fingerprint == shuffled.fingerprint
    assert shuffled.in_order(ids).fold.tolist() == folds.fold.tolist()
    assert shuffled.in_order(ids).group == folds.group


def test_the_seed_decides() -> None:
    ids, labels = drawn(500)
    assert assign(ids, labels, seed=3).fingerprint == assign(ids, labels, seed=3).fingerprint
    assert assign(ids, labels, seed=3).fingerprint != assign(ids, labels, seed=4).fingerprint


def test_classes_rarer_than_folds_and_images_without_labels() -> None:
    ids, labels = drawn(23)
    labels[:5] = False
    folds = assign(ids, labels, count=5)
    assert sorted(per_fold(folds, labels)[:, -1]) == [4, 4, 5, 5, 5]
    assert assign(ids[:2], np.zeros((2, 0), bool), count=2).count == 2


def test_missing_groups_are_not_one_group() -> None:
    ids, labels = drawn(30)
    groups = pd.Series(["a", "a", None, np.nan, ""] * 6, dtype=object)
    folds = assign(ids, labels, groups=groups)
    assert sum(name == "a" for name in folds.group) == 12
    assert len(set(folds.group)) == 19


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    ids, labels = drawn(50)
    folds = assign(ids, labels, count=3, groups=["NA", 'with, "comma"', "ä"] * 16 + ["", ""], overlap=1, holdout=0)
    folds.write(tmp_path / "new" / "folds.csv")
    back = Folds.read(tmp_path / "new" / "folds.csv")
    assert (back.ids, back.group, back.fingerprint) == (folds.ids, folds.group, folds.fingerprint)
    assert back.fold.dtype == np.int8
    assert back.fold.tolist() == folds.fold.tolist()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folds.csv"]


def test_the_fingerprint_sees_every_column() -> None:
    def fingerprint(ids: str = "abcd", fold: tuple[int, ...] = (0, 1, 0, 1), group: str = "xyxy") -> str:
        return Folds(tuple(ids), np.array(fold, np.int8), tuple(group)).fingerprint

    assert len({fingerprint(), fingerprint(ids="abce"), fingerprint(fold=(1, 0, 0, 1)), fingerprint(group="xyxz")}) == 4
    assert fingerprint() == fingerprint(ids="dcba", fold=(1, 0, 1, 0), group="yxyx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no"),
        ("", "is not a CSV table"),
        ("\x00\xff\xfe", "folds.csv"),
        ("id,fold\na,0\nb,1\n", "no column 'group'"),
        ("id,fold,group\na,0,x\na,1,y\n", "id a comes twice"),
        ("id,fold,group\na,0,x\nb,2,y\n", "the folds are [0, 2]"),
        ("id,fold,group\na,1,x\nb,2,y\n", "the folds are [1, 2]"),
        ("id,fold,group\na,0,x\nb,0,y\n", "the folds are [0]"),
        ("id,fold,group\n", "the folds are []"),
        ("id,fold,group\na,0,x\nb,one,y\n", "fold 'one' of id b"),
        ("id,fold,group\na,0,x\nb,1.5,y\n", "fold '1.5' of id b"),
        ("id,fold,group\na,0,x\nb,-2,y\n", "fold '-2' of id b"),
        ("id,fold,group\na,0,x\nb,300,y\n", "fold '300' of id b"),
        ("id,fold,group\na,0,x\nb,1,y,z,q\n", "is not a CSV table"),
    ],
)
def test_broken_maps_are_refused_by_name(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "folds.csv"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FoldError) as caught:
        Folds.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "make folds" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_map_of_other_ids_is_refused() -> None:
    folds = Folds(("a", "b", "c"), np.array([0, 1, 0], np.int8), ("a", "b", "c"))
    folds.check_ids(["c", "a", "b"])
    with pytest.raises(FoldError, match=r"lacks 1 ids which train.csv has, d among them"):
        folds.check_ids(["a", "b", "c", "d"])
    with pytest.raises(FoldError, match=r"has 2 ids which train.csv has not, b among them"):
        folds.check_ids(["a"])
    with pytest.raises(FoldError, match="twice"):
        folds.in_order(["a", "b", "c", "a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 1}, "1 folds are asked for"),
        ({"count": 101}, "101 folds are asked for"),
        ({"count": 7}, "6 groups cannot fill 7 folds"),
        ({"groups": ["a", "a", "a", "a", "a", "b"]}, "2 groups cannot fill 5 folds"),
        ({"components": [0, 0, 1, 1, 2, 2]}, "3 groups cannot fill 5 folds"),
        ({"groups": ["a"] * 5}, "6 ids, but 5 groups"),
        ({"components": [1]}, "6 ids, but 1 components"),
        ({"overlap": 1.5}, "overlap is 1.5"),
        ({"holdout": 1.0}, "holdout is 1.0"),
        ({"holdout": 0.01}, "hold-out"),
        ({"holdout": 0.9}, "cannot fill 5 folds"),
    ],
)
def test_impossible_requests_are_refused(options: dict[str, object], message: str) -> None:
    ids, labels = drawn(6)
    with pytest.raises(FoldError) as caught:
        assign(ids, labels, **options)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_repeated_ids_and_missing_labels_are_refused() -> None:
    ids, labels = drawn(6)
    with pytest.raises(FoldError, match=f"id {ids[0]} comes twice"):
        assign([*ids[:5], ids[0]], labels)
    with pytest.raises(FoldError, match="6 ids, but 5 rows of labels"):
        assign(ids, labels[:5])


def test_the_balance_table_counts() -> None:
    labels = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [1, 1], [0, 0]], bool)
    folds = Folds(tuple("abcdef"), np.array([0, 0, 0, 1, 1, -1], np.int8), ("p", "p", "q", "q", "r", "s"))
    lines = balance_table(folds, labels, ["Nucleoplasm", "Rods & rings"]).splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["class", "images", "groups", "fold", "0", "fold", "1", "hold-out", "off", "by"],
        ["Nucleoplasm", "4", "3", "3", "1", "0", "1.0"],
        ["Rods", "&", "rings", "2", "2", "0", "2", "0", "1.0"],
        ["all", "images", "6", "4", "3", "2", "1", "0.5"],
        ["all", "groups", "4", "2", "2", "1"],
    ]
    assert lines[5] == "1 groups straddle folds; 40.0% of the images in folds are of a group known from another fold."
    assert lines[6] == "Some fold has none of: Rods & rings."
    assert len(lines) == 7
    assert len({len(line) for line in lines[1:4]}) == 1


def test_the_balance_table_does_not_miss_classes_without_images() -> None:
    ids, labels = drawn(3000)
    table = balance_table(assign(ids, labels), labels, [f"c{number}" for number in range(12)])
    assert table.splitlines()[-1] == "Some fold has none of: c10."  # it has one image; c11 has none at all
