"""The score of a submission on known labels: macro F1 over all classes, for each usage (public, private, ...) of the images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.competition.competition import Competition
from comp.metrics.bootstrap import Estimate, GroupBootstrap
from comp.metrics.macro_f1 import best_constant
from comp.submission.known_labels import decisions_of, read_labels
from comp.submission.sidecar import class_subset

DRAWS = 1000  # bootstrap resamples


@dataclass(frozen=True)
class UsageScore:
    """The score on the images of one usage.

    Attributes:
        images: how many.
        macro_f1: over all classes, a class without a hit counting 0; standard error over images.
        constant: macro F1 of the best constant answer.
    """

    images: int
    macro_f1: Estimate
    constant: float


@dataclass(frozen=True)
class SubmissionScore:
    """The score of a submission on known labels, by usage.

    Attributes:
        all_classes: usage -> macro F1 over all classes of the competition, as Kaggle computes it.
        subset: usage -> macro F1 over the classes whose labels the submission can hold; None if it can hold all.
        classes: how many classes those are.
    """

    all_classes: dict[str, UsageScore]
    subset: dict[str, UsageScore] | None
    classes: int


def score_submission(path: Path, labels_file: Path, competition: Competition) -> SubmissionScore:
    """Score a submission against a table of labels.

    Raises:
        DataError: the table is not valid, or holds ids that the submission lacks.
    """
    ids, labels, usage = read_labels(labels_file, competition)
    decisions = decisions_of(path, ids, competition)
    columns = class_subset(path, competition)
    subset = scores_by_usage(labels[:, columns], decisions[:, columns], usage) if columns else None
    return SubmissionScore(scores_by_usage(labels, decisions, usage), subset, len(columns) or len(competition.classes))


def scores_by_usage(labels: NDArray[np.bool_], decisions: NDArray[np.bool_], usage: NDArray[np.str_]) -> dict[str, UsageScore]:
    """The score on the images of each usage.

    Args:
        labels, decisions: (N, C).
        usage: (N,).
    """
    found = {}
    for name in sorted(set(usage.tolist())):
        true, decided = labels[usage == name], decisions[usage == name]
        scored = GroupBootstrap(true, np.arange(len(true)), resamples=DRAWS, seed=0).score(decided)
        found[name] = UsageScore(len(true), scored.estimate, best_constant(true))
    return found


def score_table(scores: dict[str, UsageScore]) -> str:
    """One line per usage: images, macro F1 with its standard error, the best constant answer and the ratio of the two."""
    lines = [f"{'usage':<12}{'images':>8}{'macro F1':>10}{'s.e.':>8}{'best constant':>15}{'ratio':>7}"]
    for name, score in scores.items():
        value, error = score.macro_f1.value, score.macro_f1.error
        ratio = value / score.constant if score.constant else np.nan
        lines.append(f"{name:<12}{score.images:>8}{value:>10.4f}{error:>8.4f}{score.constant:>15.4f}{ratio:>7.2f}")
    return "\n".join(lines)


def score_sentence(path: Path, scores: dict[str, UsageScore]) -> str:
    """One sentence with the score on the private images, if there are any, else on all usages.

    Kaggle's final ranking uses the private images.
    """
    values = {name: f"{score.macro_f1.value:.4f}" for name, score in scores.items()}
    if "all" in scores:
        return f"{path} scores {values['all']} macro F1 on {scores['all'].images} labelled images"
    first, *others = sorted(values, key=lambda name: name != "private")
    more = f" ({', '.join(f'{name} {values[name]}' for name in others)})" if others else ""
    return f"{path} scores {values[first]} macro F1 on the {first} test images{more}"
