"""The last step of `make practice`: what the nearest-neighbour model is worth, then five lines on what was made and what comes next.

Needs the submission of `make stack` and the practice competition's hidden labels.
"""

from pathlib import Path

from comp.base.errors import SubmissionError
from comp.base.progress import say
from comp.predictions.task import Task, load_task
from comp.stacking.comparison import compare, comparison_table, with_and_without
from comp.submission.known_labels import hidden_labels, read_hidden_labels
from comp.submission.scoring import UsageScore, score_submission
from comp.submission.sidecar import read_sidecar
from comp.submission.submission import newest_submission
from pipelines.command import parser, run

LIKE_TRAINING = "unshifted"  # usage of the test images with the label shares of the training images, which the expected score is about


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="the nearest-neighbour model, with and without which to stack")
    options = arguments.parse_args()

    task = load_task(options.competition)
    path = newest_submission(task.paths.submissions(), task.competition)
    scores = score_submission(path, hidden_labels(task.competition, task.paths), task.competition).all_classes
    stacks = with_and_without(task, options.model, [], "default")
    found = compare(task, "default", stacks, read_hidden_labels(task.competition, task.paths))
    say(f"\n{comparison_table(found)}\n")

    for line in closing_lines(task, path, scores):
        say(line)


def closing_lines(task: Task, path: Path, scores: dict[str, UsageScore]) -> list[str]:
    """Five lines: what was made, the submission, the expected and the true score, what to type next."""
    sidecar, usage = read_sidecar(path), scores[LIKE_TRAINING]
    if "expected" not in sidecar:
        raise SubmissionError(f"{path} is not the submission of a stack", f"make one: make stack COMP={task.competition.name}")
    expected = sidecar["expected"]
    low, high = expected["interval"]
    return [
        f"made            a practice competition ({len(task.folds.ids)} training and {len(task.test_ids)} test images), and "
        f"{len(sidecar['models'])} models trained on it",
        f"submission      {path}: labels for all test images, in Kaggle's format",
        f"expected score  {expected['value']:.3f} macro F1 (0 is worst, 1 is best), 95 % interval {low:.3f} to {high:.3f} on "
        f"{len(task.test_ids)} test images, from training images that each network was not trained on",
        f"true score      {usage.macro_f1.value:.3f} on {usage.images} test images like the training images; "
        f"it averages {task.folds.count} networks of each model, which may score higher",
        "next            `make help` lists all commands; the real competition starts with `make data COMP=hpa`",
    ]


if __name__ == "__main__":
    run(main)
