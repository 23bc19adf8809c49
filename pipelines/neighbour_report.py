"""The report of `make neighbours`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.embeddings import Embeddings, held_out_neighbours
from comp.experiment import MetricExperiment
from comp.files import write_text
from comp.folds import Folds
from comp.labels import shares
from comp.members import Task, classes_of_all, read_member
from comp.neighbour_votes import vote
from comp.neighbours import Nearest, nearest
from comp.overlap import known_share
from comp.practice.tables import PracticeSpec, draw_tables
from comp.precision import PrecisionBootstrap
from comp.resampling import Scored
from comp.review import review
from comp.schema import parse, read_yaml
from pipelines.command import say
from pipelines.neighbour_features import trained_on, write_features
from pipelines.neighbour_picture import draw_map
from pipelines.stack_table import aligned

FEW = 20  # images, below which a class is rare here
DRAWS = 200
REVIEWED = 5  # neighbours that all have to disagree


def report(task: Task, models: list[str], networks: list[Embeddings], others: list[str]) -> None:
    """Print how well neighbours predict, estimate the overlap, and write review, map and features.

    Args:
        models: those that embed; `networks` are theirs, of each fold, side by side.
        others: models that stand beside them, by what they have predicted.
    """
    path = task.paths.experiment(models[0])
    experiment = parse(MetricExperiment, read_yaml(path), str(path))  # as it was trained, whatever its YAML says now
    count = experiment.votes.count
    rows, found = held_out_neighbours(networks, task.folds, count)
    name = " + ".join(models)
    say(f"neighbours of {name}: {len(rows)} images, each with its {found.places.shape[1]} nearest of other folds\n")
    members = [read_member(task, other) for other in others]
    shared = classes_of_all({name: task.classes.names} | {member.name: member.classes for member in members})
    scored = task.narrowed(shared)
    predicted: dict[str, NDArray[np.floating]] = {name: votes_of(scored, rows, found, experiment)}
    predicted |= {member.name: member.narrowed(shared).train[rows] for member in members}
    say(precision_table(scored, rows, predicted) + "\n")
    say(overlap_line(task, networks, rows, found) + "\n")

    folder = task.paths.neighbours()
    few = Nearest(found.places[:, :REVIEWED], found.similarity[:, :REVIEWED])
    suspects = review(task.folds.ids, task.labels, task.classes.strings(task.labels), task.folds.group, rows, few)
    write_text(folder / "review.csv", suspects.to_csv(index=False))
    odd = int((suspects["why"] == "labels").sum())
    say(f"{folder / 'review.csv'}: {odd} images whose {REVIEWED} nearest all carry other labels, {len(suspects) - odd} look-alikes")
    draw_map(task, networks[0], folder / "map.png")
    path = task.paths.features(models)
    write_features(task, models, networks, rows, found, count)
    say(f"{path}: for `features: [{path}]` of a stack's YAML")


def votes_of(task: Task, rows: NDArray[np.int64], found: Nearest, experiment: MetricExperiment) -> NDArray[np.floating]:
    """Logits (n, C) of the rows: what their neighbours say, with the shares in the other folds as the prior."""
    logits = np.empty((len(rows), len(task.classes)))
    for fold in range(task.folds.count):
        own = task.folds.fold[rows] == fold
        trained, _ = trained_on(task, fold)
        logits[own] = vote(Nearest(found.places[own], found.similarity[own]), task.labels, shares(task.labels[trained]), experiment.votes)
    return logits


def precision_table(task: Task, rows: NDArray[np.int64], predicted: dict[str, NDArray[np.floating]]) -> str:
    """Mean average precision of each model on rows of known and of new antibodies, and how much the first one gains over the others."""
    known, labels = task.folds.known()[rows], task.labels
    groups = np.unique(np.array(task.folds.group)[rows], return_inverse=True)[1]
    few = np.flatnonzero(labels.sum(axis=0) < FEW)
    parts = {f"known ({known.sum()})": known, f"new ({(~known).sum()})": ~known, f"all ({len(rows)})": np.ones(len(rows), bool)}
    columns = {"all classes": np.arange(labels.shape[1]), f"{len(few)} classes with fewer than {FEW} images": few}
    lines = [["mean average precision", *parts]]
    for title, some in columns.items():
        found: dict[str, list[Scored | None]] = {model: [] for model in predicted}
        for part in parts.values():
            if not labels[rows[part]][:, some].any():
                for scores in found.values():
                    scores.append(None)
                continue
            bootstrap = PrecisionBootstrap(labels[rows[part]][:, some], groups[part], DRAWS, seed=0)
            for model, logits in predicted.items():
                found[model].append(bootstrap.score(logits[part][:, some]))
        lines.append([title, *[""] * len(parts)])
        first, *others = found
        lines += [[f"  {model}", *map(_cell, scores)] for model, scores in found.items()]
        lines += [[f"  {first} minus {other}", *map(_gain, found[first], found[other])] for other in others]
    return "\n".join([*aligned(lines), "known: an antibody (group) that other folds have images of; +-: standard error over groups"])


def _cell(scored: Scored | None) -> str:
    return f"{scored.estimate:.4f}" if scored else "-"


def _gain(one: Scored | None, other: Scored | None) -> str:
    return f"{one.over(other):+.4f}" if one and other else "-"


def overlap_line(task: Task, networks: Sequence[Embeddings], rows: NDArray[np.int64], found: Nearest) -> str:
    """How many test images are of groups that the train table has, estimated from how near they are."""
    known, fold = task.folds.known()[rows], task.folds.fold[rows]
    groups = np.unique(np.array(task.folds.group)[rows], return_inverse=True)[1]
    nearest_of_test = test_similarity(task, networks) if known.any() and not known.all() else []
    by_fold = []
    for number, similarity in enumerate(nearest_of_test):
        own = fold == number
        by_fold.append(known_share(found.similarity[own, 0], known[own], groups[own], similarity))
    estimates = [each for each in by_fold if each]
    if not estimates:
        return "overlap of test and train: not estimated, no fold holds images of known and of new antibodies (groups)"
    share, error = np.mean([one.value for one in estimates]), np.sqrt(np.mean([one.error**2 for one in estimates]))
    return (
        f"test images are as near to what a network was trained on as if {share:.0%} +- {error:.0%} were of known antibodies (groups);\n"
        f"of held-out images {known.mean():.0%} are (`folds: {{overlap: ...}}`){drawn_overlap(task)}"
    )


def drawn_overlap(task: Task) -> str:
    """What the estimate should be, where the images were drawn here: known antibodies in wells that nothing was trained on look new."""
    if task.competition.practice is None:
        return ""
    spec = parse(PracticeSpec, task.competition.practice, f"practice of competition {task.competition.name}")
    drawn = draw_tables(spec).set_index("id")
    if {*task.folds.ids, *task.test_ids} != set(drawn.index):
        return ""  # the YAML has changed since
    known, of_test, of_held_out = drawn_shares(drawn, task.folds, task.test_ids)
    then = f", so that they should look like {known * of_test / of_held_out:.0%}" if of_held_out > 0 else ""
    return (
        f"\nas drawn: {known:.0%} of the test images are, {of_test:.0%} of these in a well that was trained on, of such held-out ones "
        f"{of_held_out:.0%}{then}"
    )


def drawn_shares(drawn: pd.DataFrame, folds: Folds, test_ids: Sequence[str]) -> tuple[float, float, float]:
    """The share of test images whose antibody a network was trained on, the mean over the folds; and the shares of these test images
    and of such held-out images whose well it was trained on too.

    Args:
        drawn: antibody and well of each id.
    """
    train, test = drawn.loc[list(folds.ids)], drawn.loc[list(test_ids)]
    known: dict[str, list[pd.DataFrame]] = {"test": [], "held out": []}
    for fold in range(folds.count):
        trained = train.iloc[folds.trained_on(fold)]
        for part, images in (("test", test), ("held out", train[folds.fold == fold])):
            some = images[images["antibody"].isin(trained["antibody"])]
            known[part].append(some.assign(near=some["well"].isin(trained["well"])))
    of_test, held_out = (pd.concat(parts)["near"] for parts in known.values())
    return len(of_test) / len(test) / folds.count, float(of_test.mean()), float(held_out.mean())


def test_similarity(task: Task, networks: Sequence[Embeddings]) -> list[NDArray[np.float64]]:
    """(T,) for each network: similarity of the test images to the nearest image it was trained on."""
    found = []
    for fold, network in enumerate(networks):
        _, names = trained_on(task, fold)
        found.append(nearest(network.of(task.test_ids), network.of(names), names, 1).similarity[:, 0])
    return found
