"""The article's table: its systems, trained here if they are missing, next to the scores that the article reports.

    make article COMP=hpa     all folds at full size; the high resolution needs images of 1024 pixels or more
    make article QUICK=1      fold 0 alone, on practice images at small size

Scores are macro F1 of out-of-fold predictions, at the article's threshold of 0.5 and at thresholds per class (`bagged`). Those are fitted
to other images than the ones they decide about. If the fold map has a hold-out (make folds HOLDOUT=0.1), the mean over the folds' networks
is scored on it; nothing is tuned on it. The scores are also written to oof/<competition>/article.json.
"""

from dataclasses import replace

from comp.base.command_line import positive
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.competition.data import ensure_data
from comp.competition.experiments.load import load_network
from comp.folds.competition_folds import ensure_folds
from comp.predictions.model_files import what_is_missing
from comp.predictions.task import load_task
from comp.stacking.article_scores import score, write_scores
from comp.stacking.article_systems import SYSTEMS, largest_first, too_large
from comp.stacking.article_table import table
from comp.stacking.rare_recall import recall_table
from comp.training.engines.engine import EngineOptions, engine_of
from comp.training.fold_job import FoldJob
from comp.training.prepare import prepare
from pipelines.command import parser, run

QUICK = "article"  # the competition of the quick table
COMPARED = ("resnet18", "resnet18-rare")  # without and with copies of rare labels


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help=f"fold 0 alone, of the competition {QUICK}")
    arguments.add_argument("--workers", type=positive, metavar="N", help="folds trained side by side (default: GPUs, else cores / threads)")
    options = arguments.parse_args()

    competition = load_competition(QUICK if options.quick else options.competition)
    if options.quick:
        say(f"quick: fold 0 of the competition {QUICK}; COMP is ignored")
    paths = Paths(competition.name)
    ensure_data(competition, paths)
    folds = [0] if options.quick else list(range(ensure_folds(competition, paths).count))
    models = [system.model for system in SYSTEMS]
    missing = too_large(competition, paths, models)
    models = [model for model in models if model not in missing]
    first = [FoldJob(competition.name, model, 0) for model in largest_first(competition, models)]
    if first:
        prepare(first)
        engine_of("local").train([replace(job, fold=fold) for job in first for fold in folds], EngineOptions(options.workers))

    task = load_task(competition.name)
    found = {model: score(task, model, folds) for model in models}
    path = paths.oof() / "article.json"
    write_scores(path, found)
    say("\n" + table(task, found, missing, len(folds)))
    say(f"{path}: the same in numbers\n")
    if any(what_is_missing(task, model) for model in COMPARED):
        both = f'COMP={competition.name} MODELS="{" ".join(COMPARED)}"'
        say(
            f"copies of images with rare labels, with and without: not run on {competition.name}; make models {both}, then make rare {both}"
        )
    else:
        rare = load_network(COMPARED[-1], competition).rare
        assert rare is not None
        say(recall_table(task, COMPARED, rare))


if __name__ == "__main__":
    run(main)
