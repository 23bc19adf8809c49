"""The sentences of `make neighbours` about the test images' groups: are they known from training?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.schema import parse
from comp.folds.fold_map import FoldMap
from comp.metrics.bootstrap import Estimate
from comp.neighbours.held_out import similarity_of_test, trained_on
from comp.neighbours.known_group_share import known_group_share
from comp.neighbours.nearest import Nearest
from comp.practice.tables import PracticeSpec, draw_tables
from comp.predictions.embeddings import Embeddings
from comp.predictions.task import Task


def known_groups_text(task: Task, networks: Sequence[Embeddings], rows: NDArray[np.int64], found: Nearest) -> str:
    """The estimated share of test images of known groups, the share among held-out images and, on practice data, the true share.

    Args:
        rows: (n,) the held-out images; `found` are their neighbours.
    """
    known = task.folds.known()[rows]
    share = estimated_share(task, networks, rows, found)
    if share is None:
        return "test images of known antibodies (groups): not estimated, no fold holds images of both known and new ones"
    return (
        f"estimated share of test images whose antibody (group) occurs in training: {share:.0%};\n"
        f"of the held-out images it is {known.mean():.0%} (`folds: {{split_groups: ...}}`){practice_text(task)}"
    )


def estimated_share(task: Task, networks: Sequence[Embeddings], rows: NDArray[np.int64], found: Nearest) -> Estimate | None:
    """The mean over the folds that allow an estimate; None if no fold does."""
    known, fold = task.folds.known()[rows], task.folds.fold[rows]
    if not known.any() or known.all():
        return None
    groups = np.unique(np.array(task.folds.group)[rows], return_inverse=True)[1]
    by_fold = []
    for number, similarity in enumerate(similarity_of_test(networks, task.folds, task.test_ids)):
        own = fold == number
        by_fold.append(known_group_share(found.similarity[own, 0], known[own], groups[own], similarity))
    estimates = [each for each in by_fold if each]
    if not estimates:
        return None
    return Estimate(float(np.mean([one.value for one in estimates])), float(np.sqrt(np.mean([one.error**2 for one in estimates]))))


def practice_text(task: Task) -> str:
    """What the estimate should be on practice data, where the true shares are known; "" elsewhere.

    A known antibody looks new if nothing was trained on its well. So the true share is corrected for how often that happens.
    """
    if task.competition.practice is None:
        return ""
    spec = parse(PracticeSpec, task.competition.practice, f"practice of competition {task.competition.name}")
    tables = draw_tables(spec).set_index("id")
    if {*task.folds.ids, *task.test_ids} != set(tables.index):
        return ""  # the YAML has changed since the data was made
    known, of_test, of_held_out = true_shares(tables, task.folds, task.test_ids)
    then = f"; so the estimate should be near {known * of_test / of_held_out:.0%}" if of_held_out > 0 else ""
    return (
        f"\ntrue share on practice data: {known:.0%}; training has the same well for {of_test:.0%} of these test images "
        f"and for {of_held_out:.0%} of the held-out images of known antibodies{then}"
    )


def true_shares(tables: pd.DataFrame, folds: FoldMap, test_ids: Sequence[str]) -> tuple[float, float, float]:
    """Three shares on practice data, over the networks of all folds.

    Args:
        tables: columns antibody and well, indexed by id.

    Returns:
        The share of test images of an antibody that a network was trained on; among these, the share of a well it was trained on; the same
        second share among held-out images of an antibody that their network was trained on.
    """
    train, test = tables.loc[list(folds.ids)], tables.loc[list(test_ids)]
    known: dict[str, list[pd.DataFrame]] = {"test": [], "held out": []}
    for fold in range(folds.count):
        trained = train.iloc[trained_on(folds, fold)[0]]
        for name, images in (("test", test), ("held out", train[folds.fold == fold])):
            some = images[images["antibody"].isin(trained["antibody"])]
            known[name].append(some.assign(near=some["well"].isin(trained["well"])))
    of_test, held_out = (pd.concat(each)["near"] for each in known.values())
    return len(of_test) / len(test) / folds.count, float(of_test.mean()), float(held_out.mean())
