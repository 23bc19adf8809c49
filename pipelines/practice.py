"""The last step of `make practice`: what the nearest-neighbour model is worth, then five lines on what was made and what comes next.

Needs the submission of `make stack` and the practice competition's hidden labels.
"""

from pathlib import Path

from comp.base.progress import say
from comp.predictions.task import Task, load_task
from comp.stacking.comparison import NESTED, Comparison, compare, comparison_table, with_and_without
from comp.submission.known_labels import hidden_labels, read_hidden_labels
from comp.submission.scoring import UsageScore, score_submission
from comp.submission.sidecar import expected_score, read_sidecar
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

    for line in closing_lines(task, path, scores, options.model, found):
        say(line)


def closing_lines(task: Task, path: Path, scores: dict[str, UsageScore], model: str, found: Comparison) -> list[str]:
    """Five lines: what was made, the submission, its score, what the nearest-neighbour model is worth, what to type next."""
    models = sorted(read_sidecar(path).get("models", {}))
    images = f"{len(task.folds.ids)} training and {len(task.test_ids)} test images"
    expected = expected_score(path)
    low, high = expected.interval if expected else (0.0, 0.0)
    promise = f"{expected.value:.3f} macro F1 expected of single-fold models (95 % interval {low:.3f} to {high:.3f}); " if expected else ""
    usage = LIKE_TRAINING if LIKE_TRAINING in scores else min(scores)
    truth = f"{scores[usage].macro_f1.value:.3f} by the hidden labels of the {scores[usage].images} {usage} test images"
    with_it, without = found.columns[NESTED].values()
    gain = f"{with_it.value:.3f} with it and {without.value:.3f} without it"
    return [
        f"made        a practice competition ({images}) and {len(models)} trained models: {', '.join(models)}",
        f"submission  {path}: the blend of the models, in the format that Kaggle expects",
        f"score       {promise}the submission averages folds and scores {truth}",
        f"neighbours  {model} predicts from the most similar training images; the blend scores {gain}",
        "next        make help lists all commands; the real competition starts with: make data COMP=hpa",
    ]


if __name__ == "__main__":
    run(main)
