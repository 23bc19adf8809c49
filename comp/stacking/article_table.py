"""The table of the article's systems: the scores measured here next to the reported ones."""

from collections.abc import Mapping

from comp.base.text_table import aligned
from comp.metrics.bootstrap import Estimate
from comp.predictions.task import Task
from comp.stacking.article_scores import SPLITS, Scores
from comp.stacking.article_systems import HUMAN, SYSTEMS, System

MADE = ["labels", "px", "initial weights", "rate", "epochs"]
FOUND = ["constant", "at 0.5", "tuned, nested", "hold-out, 0.5", "hold-out, tuned", "images", "minutes"]


def table(task: Task, found: Mapping[str, Scores], missing: Mapping[str, str], folds: int) -> str:
    """One line per system, then notes on what the numbers mean.

    Args:
        found: scores by model.
        missing: models without scores, each with the reason.
        folds: how many folds were trained.
    """
    lines = [["system", *MADE, "article", *FOUND]]
    unmade, unfound = [""] * len(MADE), [""] * len(FOUND)
    notes = []
    for system in SYSTEMS:
        if system.model in found:
            lines.append([system.name, *cells(system, found[system.model])])
        else:
            lines.append([system.name, *unmade, f"{system.reported:.2f}", "not run", *unfound[1:]])
            notes.append(f"{system.name}: not run, {missing[system.model]}")
    lines.append(["people", *unmade, f"{HUMAN:.1f}", *unfound])
    some = next(iter(found.values()), None)
    if some:
        holdout = f"{some.holdout_images} of the hold-out" if some.holdout_images else "no hold-out (make folds HOLDOUT=0.1 makes one)"
        source = f"made by `make data COMP={task.competition.name}`" if task.competition.practice else task.competition.data
        notes += [
            f"data: {task.competition.name} ({source}), {some.images} images in {folds} of {task.folds.count} folds, {holdout}",
            "+-: standard error over groups; a label without a hit counts 0",
            "article: networks with ImageNet weights on real images, in the article's own split",
            "constant: all labels for all images, the best answer that is the same for all images",
            "tuned: thresholds fitted to other images than those they decide about"
            + (f", over {SPLITS} splits of the one fold" if folds == 1 else ""),
            "images: how many each network was trained on, copies of rare ones not counted",
            "minutes: training and predicting all folds",
        ]
    heading = "macro F1 in percent, each over the labels of its system"
    return "\n".join([heading, *aligned(lines), *notes])


def cells(system: System, scores: Scores) -> list[str]:
    shown = [percent(each) for each in (scores.at_half, scores.tuned, scores.holdout_at_half, scores.holdout_tuned)]
    weights = "ImageNet" if scores.initial_weights.startswith("keras ") else scores.initial_weights.partition(" ")[0]
    made = [str(scores.classes), str(scores.size), weights, f"{scores.lr:g}", str(scores.epochs)]
    return [*made, f"{system.reported:.2f}", f"{100 * scores.constant:.2f}", *shown, str(scores.train_images), f"{scores.seconds / 60:.1f}"]


def percent(score: Estimate | None) -> str:
    return f"{100 * score.value:.2f} +- {100 * score.error:.2f}" if score else "-"
