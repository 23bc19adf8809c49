"""Label files: decisions about the test images made elsewhere, without predictions. They can vote but not join a stack."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError, SubmissionError
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.tables import SubmissionForm, needs_labels, read_test_ids, read_train
from comp.folds.fold_map import HOLDOUT
from comp.metrics.logits import logit
from comp.predictions.file_checks import read_checked
from comp.predictions.model_files import ModelFile
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Provenance, data_fingerprint
from comp.predictions.table_file import check_is_file, read_rows
from comp.submission.overlay import check_no_overlay
from comp.submission.sidecar import class_subset
from comp.submission.submission import check_submission, read_submission


def is_label_file(path: Path, competition: Competition) -> bool:
    """Whether a file is a CSV with exactly the columns of a submission.

    Raises:
        PredictionError: there is no such file, or it is a CSV that cannot be read.
    """
    check_is_file(path)
    if path.suffix.lower() != ".csv":
        return False
    header = [name.strip() for name in read_rows(path)[0]]
    return sorted(header) == sorted([competition.columns.id, competition.columns.predicted])


def import_label_file(path: Path, competition: Competition, model: str) -> Predictions:
    """Check a label file and write it as logits of +-16 of exactly the ids of the sample submission.

    Raises:
        PredictionError: it holds anything that `make submit` would refuse.
        SubmissionError: it is an overlay.
    """
    check_no_overlay(path, "import the submission under it")
    paths = Paths(competition.name)
    test_ids, (train_ids, labels) = read_test_ids(competition, paths), read_train(competition, paths)
    form = SubmissionForm(test_ids, needs_labels(competition, labels))
    try:
        check_submission(path, competition, form)
        ids, decisions = read_submission(path, competition, needs_labels=form.needs_labels)
    except SubmissionError as error:
        raise PredictionError(error.what, "correct it, or ask its maker for the file as it was submitted") from None
    data = data_fingerprint(train_ids, labels)
    provenance = Provenance(competition=competition.name, model=model, kind="label_only", classes=competition.classes, data=data)
    made = Predictions(ids, np.full(len(ids), HOLDOUT, np.int8), logit(decisions.astype(np.float32)), provenance)
    made = Predictions(test_ids, made.fold, made.aligned(test_ids), provenance)
    made.write(paths.label_only(model))
    return made


def read_label_file(competition: Competition, paths: Paths, model: str, test_ids: tuple[str, ...]) -> NDArray[np.bool_]:
    """The decisions (T, C) of an imported label file, in the order of `test_ids`.

    Raises:
        PredictionError: there is none, it is damaged, does not match its path, or has other classes or ids.
    """
    path = paths.label_only(model)
    if not path.exists() and any(paths.model(model).glob("*.parquet")):
        then = f"vote with a submission made from it: make stack COMP={competition.name} MODELS={model}, then give the file as FILE=..."
        raise PredictionError(f"{model} has predictions and is not a label file", then)
    file = ModelFile(path, "label_only", None, test_ids, np.full(len(test_ids), HOLDOUT, np.int8))
    return read_checked(competition, model, file).aligned(test_ids) > 0


def read_voter(path: Path, competition: Competition, form: SubmissionForm) -> NDArray[np.bool_]:
    """The decisions (T, C) of a submission, in the order of the form's ids.

    Raises:
        SubmissionError: it is not valid, or is an overlay, which holds labels that were not predicted.
    """
    check_no_overlay(path, "vote with the submission under it, then lay the labels over the vote")
    check_submission(path, competition, form)
    if columns := class_subset(path, competition):
        say(f"{path} holds labels of only {len(columns)} of {len(competition.classes)} classes; it votes against all others")
    ids, decisions = read_submission(path, competition, needs_labels=form.needs_labels)
    row = {image_id: number for number, image_id in enumerate(ids)}
    return decisions[[row[image_id] for image_id in form.ids]]
