"""Labels for new images: trained models predict, a stack blends and decides, and the result is written."""

import csv
import importlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.files import atomic_write, working_folder
from comp.competition.labels import LabelSpace
from comp.images.bags import Bags, CropPlan
from comp.images.formats.stored import Levels
from comp.images.memory_maps import read_into_maps
from comp.images.problems import Files
from comp.inference.models import Pictures, Predicted, TrainedModels
from comp.metrics.logits import sigmoid
from comp.stacking.fitted_stack import FittedStack
from comp.stacking.prediction_set import PredictionSet

NO_FOLD = -1


@dataclass(frozen=True, eq=False)
class NewImages:
    """Image files to predict.

    Attributes:
        files: of each id, in the order of the rows.
        channels: their names.
        levels: the stored values of black and white, if the competition's YAML gives them.
    """

    files: Files
    channels: tuple[str, ...]
    levels: Levels | None


@dataclass(frozen=True, eq=False)
class Labelled:
    """What is predicted of N images.

    Attributes:
        classes: C names.
        logits: (N, C) of the blend.
        decisions: (N, C).
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    logits: NDArray[np.float32]
    decisions: NDArray[np.bool_]


def label_images(
    trained: TrainedModels,
    stack: FittedStack,
    images: NewImages,
    out: Path,
    prepare: Callable[[PredictionSet], PredictionSet] = lambda same: same,
) -> Labelled:
    """Predict images with the models that a stack needs, and label them with it.

    Args:
        out: where the labels will be written; the images are read into a temporary folder beside it.
        prepare: what is done to the models' predictions before they are blended.

    Raises:
        DataError: images are missing or unreadable; a CSV beside `out` lists them.
        PredictionError: a file of a model is missing or damaged.
    """
    with working_folder(out.with_suffix("")) as folder:
        sizes, report = trained.sizes(stack.needed), out.with_name(f"{out.stem}-unreadable.csv")
        maps = read_into_maps(folder, images.files, len(images.channels), sizes, images.levels, report)
        crops = crops_of(images, trained.crop_plans(stack.needed), folder)
        predicted = trained.predict(stack.needed, Pictures(tuple(images.files), images.channels, images.levels, maps, crops))
    logits, decisions = stack.label(prepare(prediction_set(predicted, stack.classes)))
    return Labelled(tuple(images.files), stack.classes, logits, decisions)


def crops_of(images: NewImages, plans: Sequence[CropPlan], folder: Path) -> dict[CropPlan, Bags]:
    """The cells of new images, found and cut out for models that see cells.

    Args:
        folder: for the masks and the crops.

    Raises:
        ConfigError: no channel shows nuclei.
        DataError: images are unreadable.
    """
    if not plans:
        return {}
    cells = importlib.import_module("comp.cells.new_cells")  # a package of other models is without it
    found: dict[CropPlan, Bags] = cells.crops_of(images.files, images.channels, images.levels, plans, folder)
    return found


def prediction_set(predicted: dict[str, Predicted], classes: Sequence[str]) -> PredictionSet:
    """The predictions of models as one set, for these classes; each image is its own group."""
    logits = np.stack([each.logits[:, [each.classes.index(name) for name in classes]] for each in predicted.values()])
    rows = logits.shape[1]
    return PredictionSet(logits, tuple(predicted), np.full(rows, NO_FOLD, np.int8), np.arange(rows))


def write_labels(path: Path, labelled: Labelled, labels: LabelSpace, id_column: str, label_column: str) -> None:
    """Write a CSV as the competition wants it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([id_column, label_column])
    own = labels.only([labels.names.index(name) for name in labelled.classes])
    writer.writerows(zip(labelled.ids, own.strings(labelled.decisions), strict=True))
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def write_probabilities(path: Path, labelled: Labelled, id_column: str) -> None:
    """Write a table of ids and probabilities, a float32 column for each class: Parquet, or CSV if the path ends so."""
    table = pd.DataFrame(sigmoid(labelled.logits).astype(np.float32), columns=list(labelled.classes))
    table.insert(0, id_column, list(labelled.ids))
    with atomic_write(path) as file:
        if path.suffix == ".csv":
            table.to_csv(file, index=False)
        else:
            table.to_parquet(file, index=False)
