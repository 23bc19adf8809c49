"""Imports: predictions of models trained elsewhere, checked and written as prediction files."""

import re
from pathlib import Path
from typing import Literal

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.tables import read_test_ids, read_train
from comp.predictions.imported_table import ImportedTable
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Provenance, data_fingerprint
from comp.predictions.table_file import shown

LONGEST_NAME = 100  # of a model: it becomes part of file names
FILES = (".csv", ".json", ".parquet")  # what lies beside the folders of the models: folds.csv and others


def import_predictions(
    competition: Competition, model: str, declared: Literal["holdout", "oof"], train: ImportedTable, test: ImportedTable | None
) -> tuple[Predictions, Predictions | None]:
    """Write a model's predictions of the train table's rows and, if given, of the test images; both are checked first.

    Args:
        declared: why the model was never trained on the train table's rows.

    Raises:
        PredictionError: a table is not as expected; nothing is written.
    """
    paths = Paths(competition.name)
    ids, labels = read_train(competition, paths)
    provenance = Provenance(
        competition=competition.name,
        model=model,
        kind="imported",
        classes=competition.classes,
        data=data_fingerprint(ids, labels),
        declared=declared,
    )
    on_train = train.read(ids, competition, provenance)
    on_test = test.read(read_test_ids(competition, paths), competition, provenance) if test else None
    paths.imported_test(model).unlink(missing_ok=True)  # test predictions of an earlier import do not belong to these
    on_train.write(paths.imported(model))
    if on_test:
        on_test.write(paths.imported_test(model))
    return on_train, on_test


def check_model_name(model: str, competition: Competition, paths: Paths) -> None:
    """Raise PredictionError for a name that is a file's, or belongs to a model trained here (or trainable, given images)."""
    check_spelling(model)
    ending = Path(model).suffix
    if ending.lower() in FILES:
        then = f"leave out its ending: make import COMP={competition.name} MODEL={model.removesuffix(ending)} ..."
        raise PredictionError(f"MODEL={model} is the name of a file, and models are folders beside such files", then)
    trainable = competition.images is not None and (paths.root / "configs" / "models" / f"{model}.yaml").exists()
    if trainable or any(paths.model(model).glob("fold-*.parquet")):
        then = f"choose another name for the import: make import COMP={competition.name} MODEL={model}-imported ..."
        raise PredictionError(f"{model} is the name of a model trained here", then)


def check_spelling(model: str) -> None:
    """Raise PredictionError for the name of a model that cannot be a file name."""
    if not re.fullmatch(rf"\w[\w.-]{{0,{LONGEST_NAME - 1}}}", model):
        then = f"use letters, digits, '_', '-' and '.', at most {LONGEST_NAME} characters"
        raise PredictionError(f"MODEL={shown(model)} is not a model name", then)
