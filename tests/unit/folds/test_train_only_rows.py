"""Which extra rows a fold may be trained on, against the rule written out as loops over everything."""

import numpy as np
import pytest

from comp.competition.extra_rows import ExtraRows
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.folds.train_only_rows import TrainOnlyRows

IDS = tuple(f"t{number}" for number in range(60))


def drawn(seed):
    """A fold map with a hold-out and groups that folds share, extra rows of every kind, and near-duplicates."""
    generator = np.random.default_rng(seed)
    fold = np.concatenate([np.arange(-1, 4), generator.integers(-1, 4, len(IDS) - 5)]).astype(np.int8)
    folds = FoldMap(IDS, fold, tuple(f"g{number}" for number in generator.integers(0, 40, len(IDS))))
    count = 200
    sources = [tuple(generator.choice(IDS, generator.integers(0, 3), replace=False).tolist()) for _ in range(count)]
    own = [str(generator.choice(["", "", "new", *set(folds.group)])) for _ in range(count)]
    only = generator.choice([-1, -1, -1, 0, 1, 2, 3], count).tolist()
    ids = tuple(f"e{number}" for number in range(count))
    table = ExtraRows("more", ids, np.zeros((count, 2), bool), tuple(sources), tuple(own), tuple(only))
    near = [(ids[row], str(generator.choice(IDS))) for row in generator.integers(0, count, 80)]
    return table, folds, near


def may_train(table, folds, near, row, fold):
    """The rule of design.md, one held-out image after the other."""
    if table.only_fold[row] not in (-1, fold):
        return False
    groups = [table.group[row]] if table.group[row] else []
    for source in table.sources[row]:
        groups.append(folds.group[folds.ids.index(source)])
    for held_out, in_fold, group in zip(folds.ids, folds.fold, folds.group, strict=True):
        if in_fold in (fold, HOLDOUT) and (held_out in table.sources[row] or group in groups or (table.ids[row], held_out) in near):
            return False
    return True


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_rule_written_out_as_loops(seed):
    table, folds, near = drawn(seed)
    sizes = set()
    for fold in range(4):
        found = TrainOnlyRows.of(table, folds, fold, near)
        expected = [row for row in range(len(table.ids)) if may_train(table, folds, near, row, fold)]
        assert found.rows.tolist() == expected
        assert len(expected) + sum(found.held_back.values()) == len(table.ids)
        sizes.add(len(expected))
    assert min(sizes) > 5  # neither all nor none: the rule is put to the test
    assert max(sizes) < 150


def row_of(sources=(), group="", only=-1):
    return ExtraRows("more", ("e",), np.zeros((1, 2), bool), (sources,), (group,), (only,))


MAP = FoldMap(("a", "b", "c", "d", "e5", "kept"), np.array([0, 1, 2, 1, 0, -1], np.int8), ("A", "B", "C", "A", "E", "K"))


@pytest.mark.parametrize(
    ("row", "near", "trained_in", "reason"),
    [
        (row_of(), [], {0, 1, 2}, ""),
        (row_of(("b",)), [], {0, 2}, "made from held-out images"),
        (row_of(("c",)), [], {0, 1}, "made from held-out images"),
        (row_of(("a",)), [], {2}, "of a group of held-out images"),  # its antibody A is in fold 1 too
        (row_of(("kept",)), [], set(), "made from held-out images"),
        (row_of(group="K"), [], set(), "of a group of held-out images"),
        (row_of(group="C"), [], {0, 1}, "of a group of held-out images"),
        (row_of(group="another"), [], {0, 1, 2}, ""),
        (row_of(), [("e", "c")], {0, 1}, "near-duplicates of held-out images"),
        (row_of(), [("other", "c")], {0, 1, 2}, ""),
        (row_of(), [("e", "kept")], set(), "near-duplicates of held-out images"),
        (row_of(only=1), [], {1}, "made by networks of another fold"),
        (row_of(("b",), only=1), [], set(), "made from held-out images"),
    ],
)
def test_each_reason(row, near, trained_in, reason):
    found = {fold: TrainOnlyRows.of(row, MAP, fold, near) for fold in range(3)}
    assert {fold for fold, each in found.items() if len(each.rows)} == trained_in
    reasons = {name for each in found.values() for name in each.held_back}
    assert reason in reasons if reason else not reasons


def test_the_line_says_how_many_and_why():
    assert str(TrainOnlyRows.of(row_of(("b",)), MAP, 1, [])) == "0 of the 1 extra rows of more, 1 held back (made from held-out images)"
    assert str(TrainOnlyRows.of(row_of(), MAP, 1, [])) == "1 of the 1 extra rows of more"


@pytest.mark.parametrize(
    ("row", "identity"),
    [
        (row_of(), "e"),
        (row_of(("a", "d")), "A"),
        (row_of(("a", "b")), "e"),
        (row_of(("a",), "B"), "e"),
        (row_of(("a",), "A"), "A"),
        (row_of(group="new"), "new"),
    ],
)
def test_the_identity_is_the_one_group_or_the_rows_own(row, identity):
    assert TrainOnlyRows.of(row, MAP, 2, []).identity == (identity,)
