"""What the nearest images say: how well they predict, which labels look wrong, a map, and the neighbours of one image.

    make neighbours MODELS=arcface-resnet50                the report
    make neighbours MODELS="arcface-resnet50 densenet121"  beside what other models predict
    make neighbours MODELS=arcface-resnet50 ID=...         a picture of an image, of train or test, and its neighbours

Several models that embed are averaged, by the mean of their similarities, and stand beside each of them. Held-out images have
neighbours in other folds alone, as the network sees them that was trained without their fold. The report writes, to
runs/<competition>/neighbours/: review.csv, images whose neighbours all carry other labels, and pairs of look-alikes, and how many of
these are of the image's own antibody (group); map.png, the embeddings in two dimensions. And to
oof/<competition>/<model>/features.parquet what a stack may know of each image: similarity to the nearest image of each class, agreement
of the neighbours, similarity of the very nearest.
"""

from typing import TYPE_CHECKING

from pipelines.command import parser, positive, run

if TYPE_CHECKING:
    from comp.embeddings import Embeddings
    from comp.members import Task

SHOWN = 7  # neighbours in a picture


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="models that embed, and others beside them")
    arguments.add_argument("--id", metavar="ID", help="an image, whose neighbours are shown")
    arguments.add_argument("--count", type=positive, default=SHOWN, metavar="N", help=f"how many are shown (default: {SHOWN})")
    options = arguments.parse_args()

    from comp.errors import ConfigError
    from pipelines.neighbour_picture import show
    from pipelines.neighbour_report import report
    from pipelines.stack_inputs import load_task, refuse_unknown

    task = load_task(options.competition)
    asked = list(dict.fromkeys(options.models)) or embedding_models(task)
    refuse_unknown(task, asked)
    embed = [model for model in asked if embeds(task, model)]
    if not embed:
        named = f"none of {', '.join(asked)} embeds images" if asked else f"there is no model that embeds images in {task.paths.oof()}"
        raise ConfigError(named, f"train one: make model COMP={task.competition.name} MODEL=arcface-resnet50")
    networks = read_networks(task, embed)
    if options.id:
        show(task, networks, options.id, options.count)
    else:
        report(task, embed, networks, asked if len(embed) > 1 else [model for model in asked if model not in embed])


def embeds(task: "Task", model: str) -> bool:
    """Whether a model has written embeddings, and was not trained without since."""
    from comp.experiment import MetricExperiment, load_experiment

    written = any(task.paths.model(model).glob("embeddings-*.parquet"))
    return written and isinstance(load_experiment(model, task.competition), MetricExperiment)


def embedding_models(task: "Task") -> list[str]:
    written = sorted({path.parent.name for path in task.paths.oof().glob("*/embeddings-*.parquet")})
    return [model for model in written if embeds(task, model)]


def read_networks(task: "Task", models: list[str]) -> "list[Embeddings]":
    """The embeddings of each fold's network, of several models side by side.

    Raises:
        PredictionError: a file is missing or damaged, or was made with other folds, another train table or other settings than the rest.
    """
    from comp.embeddings import read_network, side_by_side
    from comp.predictions import HARDWARE, refuse_difference

    folds = range(task.folds.count)
    by_model = [[read_network(task.paths, model, fold, task.folds.fingerprint, task.data) for fold in folds] for model in models]
    for networks in by_model:
        for other in networks[1:]:
            refuse_difference(networks[0].provenance, other.provenance, except_for={"fold", *HARDWARE})
    return [side_by_side(of_fold) for of_fold in zip(*by_model, strict=True)]


if __name__ == "__main__":
    run(main)
