"""Do synthetic images of rare labels help, beside copies of the same images and beside nothing? Measured on practice.

    make model MODEL=channels-unet
    python -m tests.studies.rare_sources --seeds 3

One model is trained four times with each seed: as it is, with capped copies of images of rare labels, with painted ones and with
recombined ones, all of which bring rare labels up to 40 images. Missing sets of synthetic images are made. The table has the recall and F1
of the rare classes, those with fewer than 20 train images, and macro F1, out of fold, at thresholds tuned on the other folds. Scores are
means over seeds; standard errors are over groups. An interrupted study resumes.
"""

import argparse
import subprocess
import sys
from itertools import product

import numpy as np

from comp.base.text_table import aligned
from comp.metrics.bootstrap import GroupBootstrap, Scored
from comp.predictions.members import read_member
from comp.predictions.task import Task, load_task
from comp.stacking.inputs import Inputs, on_shared_classes
from comp.stacking.nested_cv import NestedCV
from comp.stacking.recipe import Recipe

BELOW, TARGET, DRAWS = 20, 40, 1000
SOURCES = {
    "nothing": "",
    "copies": f" rare.below={BELOW} rare.target={TARGET}",
    "painted": " extra=painted",
    "recombined": " extra=recombined",
}
COMPARED = (("copies", "nothing"), ("painted", "nothing"), ("recombined", "nothing"), ("painted", "copies"), ("recombined", "copies"))
SCORES = ("recall of rare", "F1 of rare", "macro F1")


def scores(task: Task, model: str) -> tuple[Scored, Scored, Scored]:
    """The `SCORES` of a model, at thresholds of the full pipeline."""
    inputs = on_shared_classes(Inputs(task, (model,), (read_member(task, model),), ()), {})
    predictions = inputs.labelled(task.folds.fold >= 0, ())
    recipe = Recipe(blenders=({"name": "mean"},), thresholds=({"name": "bagged"},))
    nested_cv = NestedCV(predictions, recipe)
    decisions, labels = nested_cv.across(nested_cv.folds)[0], predictions.known_labels
    images = task.labels.sum(axis=0)
    rare = np.flatnonzero((images > 0) & (images < BELOW))
    of_rare = GroupBootstrap(labels[:, rare], predictions.groups, DRAWS, recipe.seed)
    of_all = GroupBootstrap(labels, predictions.groups, DRAWS, recipe.seed)
    return of_rare.recall(decisions[:, rare]), of_rare.score(decisions[:, rare]), of_all.score(decisions)


def report(task: Task, models: dict[tuple[str, int], str]) -> str:
    """A line for each source, then one for each comparison.

    Args:
        models: (source, seed) -> the name of a complete model.
    """
    seeds = sorted({seed for _, seed in models})
    found = {key: scores(task, model) for key, model in models.items()}
    means = {
        source: [Scored.mean(of_seeds) for of_seeds in zip(*(found[source, seed] for seed in seeds), strict=True)] for source in SOURCES
    }
    lines = [["", *SCORES]]
    lines += [[source, *(f"{one.estimate:.4f}" for one in scored)] for source, scored in means.items()]
    for one, other in COMPARED:
        gains = [a.gain_over(b) for a, b in zip(means[one], means[other], strict=True)]
        lines.append([f"{one} minus {other}", *(f"{gain:+.4f}" for gain in gains)])
    return "\n".join(aligned(lines))


def run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"pipelines.{module}", "--competition", "practice", *arguments], check=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="efficientnet-lite0", help="an image-level model (default: efficientnet-lite0)")
    arguments.add_argument("--set", default="size=64", metavar="'KEY=VALUE ...'", help="changes to it (default: size=64)")
    arguments.add_argument("--seeds", type=int, default=3, metavar="N")
    arguments.add_argument("--workers", default="1", metavar="N", help="folds that are trained at once (default: 1)")
    given = arguments.parse_args()
    for source in ("painter", "recombined"):
        run("synthesize", "--source", source, "--below", str(BELOW), "--target", str(TARGET))
    models = {(source, seed): f"{given.model}-{source}-{seed}" for source, seed in product(SOURCES, range(given.seeds))}
    for (source, seed), name in models.items():
        settings = f"{given.set}{SOURCES[source]} seed={seed}"
        run("models", "--models", given.model, "--set", settings, "--as", name, "--workers", given.workers)
    print(report(load_task("practice"), models))


if __name__ == "__main__":
    main()
