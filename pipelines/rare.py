"""What copies of images with rare labels do: to the label counts and, given several models, to the recall of the rare classes.

For each model with `rare` in its YAML: label counts of the training rows of fold 0 before and after, as a table and as a plot in
runs/<competition>/<model>/rare-labels.png.

Given MODELS="plain ... with-copies", all trained in all folds, the last one is compared with each of the others. Rare are the classes with
fewer images in the whole train table than `below` of the last one's `rare`. Measured is their mean recall in out-of-fold predictions:
first of all at probability 0.5; and at thresholds per class for the highest F1 (`bagged`), tuned on the other folds, where rows
without a label get their most likely one, as in a submission. Macro F1 over all classes stands beside it. Errors resample groups; what
another seed of the training would change is not in them. With equal epochs the copies bring more steps: a plain model of as many steps,
named too, tells whether it was these that helped.
"""

from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from comp.competition import Competition
    from comp.experiment import NetworkExperiment, RareLabels
    from comp.paths import Paths
    from comp.resampling import Scored

FOLD = 0
DRAWS = 1000


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="+", default=["resnet18-rare"], metavar="NAME", help="the last one with copies of rare labels")
    options = arguments.parse_args()

    from comp.competition import load_competition
    from comp.errors import ConfigError
    from comp.experiment import load_network
    from comp.paths import Paths
    from pipelines.data import ensure_data

    competition, paths = load_competition(options.competition), Paths(options.competition)
    experiments = [load_network(model, competition) for model in dict.fromkeys(options.models)]
    last = experiments[-1]
    if last.rare is None:
        raise ConfigError(f"configs/models/{last.model}.yaml copies no rare labels", "name a model with `rare` last, e.g. resnet18-rare")
    ensure_data(competition, paths)
    if len(experiments) > 1:
        refuse_untrained(competition.name, [experiment.model for experiment in experiments])
    for experiment in experiments:
        if experiment.rare:
            show_counts(competition, paths, experiment, experiment.rare)
    if len(experiments) > 1:
        say("\n" + compared(competition.name, [experiment.model for experiment in experiments], last.rare))


def refuse_untrained(competition: str, models: list[str]) -> None:
    """Raise PredictionError if a model is not there in all folds."""
    from comp.errors import PredictionError
    from comp.members import what_is_missing
    from pipelines.stack_inputs import load_task

    task = load_task(competition)
    missing = [what.what for model in models if (what := what_is_missing(task, model))]
    if missing:
        raise PredictionError(missing[0], f'make models COMP={competition} MODELS="{" ".join(models)}"')


def show_counts(competition: "Competition", paths: "Paths", experiment: "NetworkExperiment", rare: "RareLabels") -> None:
    """Print and draw how many training images of a fold carry each label, before and after."""
    from comp.competition import read_train
    from comp.files import atomic_write
    from comp.trainers.fold import rare_copies
    from pipelines.folds import ensure_folds
    from pipelines.rare_counts import Counts, draw, table
    from pipelines.training import columns_of

    ids, labels = read_train(competition, paths)
    trained_on = ensure_folds(competition, paths).in_order(ids).trained_on(FOLD)
    columns = columns_of(competition, experiment, labels)
    labels = labels[trained_on][:, columns]
    added = rare_copies(rare, labels, (experiment.seed, FOLD))
    counts = Counts(tuple(competition.classes[column] for column in columns), labels.sum(axis=0), labels[added].sum(axis=0), rare.below)
    say(f"{experiment.model}, training rows of fold {FOLD}: labels with fewer than {rare.below} images get copies up to {rare.target}\n")
    say(table(counts, len(labels), len(added)))
    path = paths.rare_labels(experiment.model)
    with atomic_write(path) as file:
        draw(counts, f"{competition.title}\n{len(labels)} training images of fold {FOLD} and {len(added)} copies", file)
    say(f"{path}: the same as a plot")


def compared(competition: str, models: list[str], rare: "RareLabels") -> str:
    """A line a model, and how much higher the last one scores than each of the others.

    Raises:
        PredictionError: a model lacks a fold.
        ConfigError: no class is rare.
    """
    import numpy as np

    from comp.errors import ConfigError
    from comp.folds import HOLDOUT
    from comp.members import read_member
    from comp.nest import Nest
    from comp.resampling import Estimate, GroupBootstrap
    from comp.stacking import Recipe
    from pipelines.stack_inputs import Inputs, load_task, on_shared_classes
    from pipelines.stack_table import aligned

    task = load_task(competition)
    inputs = on_shared_classes(Inputs(task, tuple(models), tuple(read_member(task, model) for model in models), ()), {})
    rows = inputs.rows(task.folds.fold != HOLDOUT, ())
    images = inputs.task.labels.sum(axis=0)
    columns = np.flatnonzero((images > 0) & (images < rare.below))
    if not len(columns):
        raise ConfigError(f"no class has fewer than {rare.below} images", f"raise rare.below of configs/models/{models[-1]}.yaml")
    labels, recipe = rows.known_labels, Recipe(blenders=({"name": "mean"},), thresholds=({"name": "bagged"},))
    of_rare = GroupBootstrap(labels[:, columns], rows.groups, DRAWS, recipe.seed)
    of_all = GroupBootstrap(labels, rows.groups, DRAWS, recipe.seed)

    def scores(model: str) -> "list[Scored]":
        seen = rows.only([model])
        nest = Nest(seen, recipe)
        decided = [seen.logits[0] > 0, nest.across(nest.folds)[0]]
        return [of_rare.recall(each[:, columns]) for each in decided] + [of_all.score(each) for each in decided]

    def line(name: str, estimates: "list[Estimate]", sign: str = "") -> list[str]:
        return [name, *(f"{one:{sign}.4f}" for one in estimates)]

    found = {model: scores(model) for model in models}
    lines = [["", "recall at 0.5", "recall, tuned", "macro F1 at 0.5", "macro F1, tuned"]]
    lines += [line(model, [one.estimate for one in scored]) for model, scored in found.items()]
    last = models[-1]
    for other in models[:-1]:
        lines.append(line(f"{last} minus {other}", [a.over(b) for a, b in zip(found[last], found[other], strict=True)], "+"))
    note = f"recall: mean over the {len(columns)} classes with fewer than {rare.below} images, {labels[:, columns].sum()} labels on"
    return "\n".join(
        [*aligned(lines), f"{note} {len(rows)} rows;", "tuned: thresholds fitted on the other folds; +-: standard error over groups"]
    )


if __name__ == "__main__":
    run(main)
