"""What the nearest images say: how well they predict, which labels look wrong, a map, and the neighbours of one image.

    make neighbours MODELS=arcface-resnet50                the report
    make neighbours MODELS="arcface-resnet50 densenet121"  the report, compared with other models
    make neighbours MODELS=arcface-resnet50 ID=...         a picture of an image (train or test) and its neighbours

Several models that embed are averaged by the mean of their similarities, and compared with each of them. The neighbours of a held-out
image are images of other folds, as found by the network that was trained without its fold.

The report writes three files. runs/<competition>/neighbours/review.csv lists images whose neighbours all carry other labels and pairs of
look-alikes, with how many of these are of the image's own antibody (group). runs/<competition>/neighbours/map.png shows the embeddings in
two dimensions. oof/<competition>/<model>/features.parquet holds features for a stack: similarity to the nearest image of each class,
agreement of the neighbours, similarity of the nearest one.
"""

from comp.base.command_line import positive
from comp.base.errors import ConfigError
from comp.neighbours.embedding_models import embedding_models, embeds, read_networks
from comp.neighbours.neighbour_picture import draw_neighbours
from comp.neighbours.report import report
from comp.predictions.model_choice import check_known
from comp.predictions.task import load_task
from pipelines.command import parser, run

SHOWN = 7  # neighbours in a picture


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="models that embed, and others to compare them with")
    arguments.add_argument("--id", metavar="ID", help="an image: show its neighbours")
    arguments.add_argument("--count", type=positive, default=SHOWN, metavar="N", help=f"how many neighbours to show (default: {SHOWN})")
    options = arguments.parse_args()

    task = load_task(options.competition)
    models = list(dict.fromkeys(options.models)) or embedding_models(task)
    check_known(task, models)
    embedding = [model for model in models if embeds(task, model)]
    if not embedding:
        what = f"none of {', '.join(models)} embeds images" if models else f"there is no model that embeds images in {task.paths.oof()}"
        raise ConfigError(what, f"train one: make model COMP={task.competition.name} MODEL=arcface-resnet50")
    networks = read_networks(task, embedding)
    if options.id:
        draw_neighbours(task, networks, options.id, options.count)
    else:
        report(task, embedding, networks, models if len(embedding) > 1 else [model for model in models if model not in embedding])


if __name__ == "__main__":
    run(main)
