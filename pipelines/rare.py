"""What copies of images with rare labels do: to the label counts and, given several models, to the recall of the rare classes.

    make rare MODEL=resnet18-rare               label counts before and after
    make rare MODELS="resnet18 resnet18-rare"   the same, and the recall of both models

Label counts are of the training images of fold 0, for each model with `rare` in its YAML: a table, and a plot in
runs/<competition>/<model>/rare-labels.png.

With several models, all complete, the last one is compared with each of the others. A class is rare if it has fewer images in the train
table than `below` of the last model's `rare`. The table shows the mean recall of the rare classes and macro F1 over all classes, out of
fold, at two kinds of thresholds: 0.5, and thresholds per class (`bagged`) tuned for F1 on the other folds. With tuned thresholds, rows
without a label are treated as in a submission.

Standard errors resample groups; they do not include the effect of another training seed. Copies make epochs longer. To see whether the
additional steps alone help, also name a model without copies that is trained for as many steps.
"""

from comp.base.errors import ConfigError
from comp.base.files import atomic_write
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.competition.data import ensure_data
from comp.competition.experiments.load import load_network
from comp.images.label_counts import draw, table
from comp.predictions.task import load_task
from comp.stacking.rare_recall import check_complete, recall_table
from comp.training.rare_label_counts import count_labels
from pipelines.command import parser, run

FOLD = 0


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="+", default=["resnet18-rare"], metavar="NAME", help="the last one with copies of rare labels")
    options = arguments.parse_args()

    competition, paths = load_competition(options.competition), Paths(options.competition)
    experiments = [load_network(model, competition) for model in dict.fromkeys(options.models)]
    models, last = [experiment.model for experiment in experiments], experiments[-1]
    if last.rare is None:
        raise ConfigError(f"configs/models/{last.model}.yaml copies no rare labels", "name a model with `rare` last, e.g. resnet18-rare")
    ensure_data(competition, paths)
    task = load_task(competition.name) if len(models) > 1 else None
    if task:
        check_complete(task, models)
    for experiment in experiments:
        if rare := experiment.rare:
            counts = count_labels(competition, paths, experiment, rare, FOLD)
            say(f"{experiment.model}, fold {FOLD}: labels with fewer than {rare.below} training images get copies up to {rare.target}\n")
            say(table(counts.labels, counts.images, counts.copies))
            path = paths.rare_labels(experiment.model)
            with atomic_write(path) as file:
                title = f"{competition.title}\n{counts.images} training images of fold {FOLD} and {counts.copies} copies"
                draw(counts.labels, title, file)
            say(f"{path}: the same as a plot")
    if task:
        say("\n" + recall_table(task, models, last.rare))


if __name__ == "__main__":
    run(main)
