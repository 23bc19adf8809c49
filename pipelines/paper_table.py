"""The article's systems, and the table that holds them against what it reports."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from comp.members import Task
from comp.resampling import Estimate
from pipelines.paper_scores import Scores
from pipelines.stack_table import aligned

HUMAN = 71.0  # percent, the article's figure for people who label the images
MADE = ["labels", "px", "weights", "rate", "epochs"]
FOUND = ["constant", "at 0.5", "tuned, nested", "hold-out, 0.5", "hold-out, tuned", "images", "minutes"]


@dataclass(frozen=True)
class System:
    """A line of the table; `reported` is the article's macro F1 in percent."""

    name: str
    model: str
    reported: float


SYSTEMS = (
    System("All-CNN", "keras-allcnn", 1.62),
    System("InceptionResNetV2", "keras-inceptionresnetv2", 33.54),
    System("DenseNet-201", "keras-densenet201", 38.25),
    System("DenseNet-121, low resolution", "keras-densenet121", 39.87),
    System("DenseNet-121, high resolution", "keras-densenet121-high", 40.25),
    System("DenseNet-121, nine labels, low", "keras-densenet121-nine", 60.12),
    System("DenseNet-121, nine labels, high", "keras-densenet121-nine-high", 61.39),
    System("DenseNet-121, low, published rate", "keras-densenet121-published", 39.87),
)


def table(task: Task, found: Mapping[str, Scores], missing: Mapping[str, str], folds: int) -> str:
    """A line a system: `found` by model, or why it is `missing`; then what the figures are of."""
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
        held = f"{some.held_rows} of the hold-out" if some.held_rows else "no hold-out (make folds HOLDOUT=0.1 makes one)"
        source = f"drawn by `make data COMP={task.competition.name}`" if task.competition.practice else task.competition.data
        notes += [
            f"data: {task.competition.name} ({source}), {some.rows} images in {folds} of {task.folds.count} folds, {held}",
            "macro F1 in percent over the labels of each system, those without an image counting 0, +- standard error over groups;",
            "constant: what all labels for all images score, which no other answer that is the same for all images beats;",
            "the article's figures are of networks with ImageNet weights on real images, in its own split"
            + ("; tuned: over five parts of the one fold" if folds == 1 else ""),
            "images: how many each network was trained on, copies of rare ones not counted; minutes: training and predicting of all folds",
        ]
    return "\n".join([*aligned(lines), *notes])


def cells(system: System, scores: Scores) -> list[str]:
    shown = [percent(each) for each in (scores.half, scores.tuned, scores.held_half, scores.held_tuned)]
    weights = "ImageNet" if scores.weights.startswith("keras ") else scores.weights.partition(" ")[0]
    made = [str(scores.classes), str(scores.size), weights, f"{scores.lr:g}", str(scores.epochs)]
    return [*made, f"{system.reported:.2f}", f"{100 * scores.constant:.2f}", *shown, str(scores.train_images), f"{scores.seconds / 60:.1f}"]


def percent(score: Estimate | None) -> str:
    return f"{100 * score.value:.2f} +- {100 * score.error:.2f}" if score else "-"


def numbers(found: Mapping[str, Scores]) -> dict[str, Any]:
    """The table for other programs."""
    return {model: asdict(scores) for model, scores in found.items()}
