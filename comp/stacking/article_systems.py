"""The systems of the article, with the scores it reports, and which of them can be trained on a competition's images."""

from collections.abc import Iterable
from dataclasses import dataclass

from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.experiments.load import load_network
from comp.competition.image_cache import full_size
from comp.competition.tables import read_train

HUMAN = 71.0  # macro F1 in percent that the article reports for people who label the images


@dataclass(frozen=True)
class System:
    """One system: its name in the article, our model, and the macro F1 in percent that the article reports."""

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


def too_large(competition: Competition, paths: Paths, models: Iterable[str]) -> dict[str, str]:
    """Models whose input is larger than the images, each with the reason why it is not trained."""
    ids, _ = read_train(competition, paths)
    height, width = full_size(competition, paths, "train", ids[0])[0].shape
    sizes = {model: load_network(model, competition).size for model in models}
    return {
        model: f"its input of {size} pixels is larger than the images of {width} x {height}, and enlarging adds nothing"
        for model, size in sizes.items()
        if size > min(height, width)
    }


def largest_first(competition: Competition, models: Iterable[str]) -> list[str]:
    """The models in the order of training: the largest input first, so that parallel workers end at about the same time."""
    return sorted(models, key=lambda model: -load_network(model, competition).size)
