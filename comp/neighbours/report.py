"""The report of `make neighbours`: what it prints and which files it writes."""

import numpy as np
from numpy.typing import NDArray

from comp.base.files import write_text
from comp.base.progress import say
from comp.base.schema import parse, read_yaml
from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.neighbours.embedding_map import draw_map
from comp.neighbours.features import write_features
from comp.neighbours.held_out import held_out_neighbours
from comp.neighbours.known_groups import known_groups_text
from comp.neighbours.nearest import Nearest
from comp.neighbours.review import review
from comp.neighbours.score_table import held_out_logits, score_table
from comp.predictions.embeddings import Embeddings
from comp.predictions.members import classes_of_all, read_member
from comp.predictions.task import Task

REVIEWED = 5  # an image is suspicious if so many neighbours all carry other labels


def report(task: Task, models: list[str], networks: list[Embeddings], others: list[str]) -> None:
    """Print how well neighbours predict and the share of known groups in the test set; write the review, the map and the features.

    Args:
        models: the models that `networks` joins.
        networks: one per fold.
        others: models to compare with, by their prediction files.
    """
    path = task.paths.experiment(models[0])
    settings = parse(VoteSettings, read_yaml(path).get("votes", {}), str(path))  # as trained, not as the model's YAML says now
    rows, found = held_out_neighbours(networks, task.folds, settings.count)
    name = " + ".join(models)
    say(f"neighbours of {name}: {len(rows)} images, each with its {found.places.shape[1]} nearest in other folds\n")
    members = [read_member(task, other) for other in others]
    shared = classes_of_all({name: task.classes.names} | {member.name: member.classes for member in members})
    scored = task.narrowed(shared)
    predicted: dict[str, NDArray[np.floating]] = {name: held_out_logits(scored, rows, found, settings)}
    predicted |= {member.name: member.narrowed(shared).train[rows] for member in members}
    say(score_table(scored, rows, predicted) + "\n")
    say(known_groups_text(task, networks, rows, found) + "\n")

    folder = task.paths.neighbours()
    few = Nearest(found.places[:, :REVIEWED], found.similarity[:, :REVIEWED])
    suspects = review(task.folds.ids, task.labels, task.classes.strings(task.labels), task.folds.group, rows, few)
    write_text(folder / "review.csv", suspects.to_csv(index=False))
    odd = int((suspects["why"] == "labels").sum())
    say(f"{folder / 'review.csv'}: {odd} images whose {REVIEWED} nearest all carry other labels, {len(suspects) - odd} look-alikes")
    draw_map(task, networks[0], folder / "map.png")
    path = task.paths.features(models)
    write_features(task, models, networks, rows, found, settings.count)
    say(f"{path}: for `features: [{path}]` of a stack's YAML")
