"""The article's table: its systems, trained here where they are missing, beside what it reports of them.

    make paper COMP=hpa     all folds at full size; the high resolution needs images of 1024 pixels or more
    make paper QUICK=1      fold 0 alone, on drawn images at small size

Scores are macro F1 of out-of-fold predictions: at the article's threshold of 0.5, and at thresholds per class (`bagged`), fitted to other
images than those they decide about. The hold-out, if the fold map has one (make folds HOLDOUT=0.1), is predicted by the mean over the
folds' networks; nothing is tuned on it. The table is written to oof/<competition>/paper.json too.
"""

from typing import TYPE_CHECKING

from pipelines.command import parser, positive, run, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from comp.competition import Competition
    from comp.paths import Paths
    from pipelines.paper_scores import Scores

QUICK = "article"  # the competition of the quick table
COMPARED = ("resnet18", "resnet18-rare")  # without and with copies of rare labels


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help=f"fold 0 alone, of the competition {QUICK}")
    arguments.add_argument("--workers", type=positive, metavar="N", help="folds trained side by side (default: GPUs, else cores / threads)")
    options = arguments.parse_args()

    from comp.competition import load_competition
    from comp.experiment import load_network
    from comp.files import write_json
    from comp.members import what_is_missing
    from comp.paths import Paths
    from pipelines.data import ensure_data
    from pipelines.folds import ensure_folds
    from pipelines.paper_scores import score
    from pipelines.paper_table import SYSTEMS, numbers, table
    from pipelines.rare import compared
    from pipelines.stack_inputs import load_task

    competition = load_competition(QUICK if options.quick else options.competition)
    if options.quick:
        say(f"quick: fold 0 of the competition {QUICK}, whatever COMP says")
    paths = Paths(competition.name)
    ensure_data(competition, paths)
    folds = [0] if options.quick else list(range(ensure_folds(competition, paths).count))
    models = [system.model for system in SYSTEMS]
    missing = too_large(competition, paths, models)
    train([model for model in models if model not in missing], competition, folds, options.workers)
    task = load_task(competition.name)
    found = {model: score(task, model, folds) for model in models if model not in missing}
    path = paths.oof() / "paper.json"
    warn_of_a_second_look(path, found)
    write_json(path, numbers(found))
    say("\n" + table(task, found, missing, len(folds)))
    say(f"{path}: the same in numbers\n")
    if any(what_is_missing(task, model) for model in COMPARED):
        both = f'COMP={competition.name} MODELS="{" ".join(COMPARED)}"'
        say(f"copies of images with rare labels against none: not run on {competition.name}; make models {both}, then make rare {both}")
    else:
        rare = load_network(COMPARED[-1], competition).rare
        assert rare is not None
        say(compared(competition.name, list(COMPARED), rare))


def too_large(competition: "Competition", paths: "Paths", models: "Sequence[str]") -> dict[str, str]:
    """Why models cannot be trained: they want more pixels than the images have."""
    from comp.competition import read_train
    from comp.data.images import read_planes
    from comp.experiment import load_network

    ids, _ = read_train(competition, paths)
    channels = len(competition.images.channels) if competition.images else 0
    height, width = read_planes(competition.image_files(paths, "train", ids[0]), channels)[0].shape
    sizes = {model: load_network(model, competition).size for model in models}
    return {
        model: f"its {size} pixels are more than the {width} x {height} of the images, and enlarging adds nothing"
        for model, size in sizes.items()
        if size > min(height, width)
    }


def train(models: "Sequence[str]", competition: "Competition", folds: "Sequence[int]", workers: int | None) -> None:
    """Train what is not complete, the largest first, so that the cores end together."""
    from comp.experiment import load_network
    from pipelines.fold_files import Request
    from pipelines.side_by_side import train_side_by_side
    from pipelines.training import prepare

    if not models:
        return
    largest = sorted(models, key=lambda model: -load_network(model, competition).size)
    prepare([Request(competition.name, model, 0) for model in largest])
    train_side_by_side([Request(competition.name, model, fold) for model in largest for fold in folds], workers)


def warn_of_a_second_look(path: "Path", found: "Mapping[str, Scores]") -> None:
    """Say so where the hold-out was scored before with other predictions: who picks among such scores tunes on it."""
    import json

    try:
        before = {model: scores["files"] for model, scores in json.loads(path.read_text()).items()} if path.exists() else {}
    except (ValueError, AttributeError, KeyError, TypeError):
        say(f"note: {path} cannot be read, and is written anew")
        return
    changed = [model for model, now in found.items() if model in before and now.held_rows and before[model] != now.files]
    if changed:
        say(
            f"note: the hold-out was scored before with other predictions of {', '.join(changed)}; to pick the better ones is to tune on it"
        )


if __name__ == "__main__":
    run(main)
