"""Known labels of test images: the hidden labels of the practice competition, or a table of the user's own."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.tables import read_known_labels
from comp.submission.sidecar import check_unedited
from comp.submission.submission import read_submission

Bools = NDArray[np.bool_]
USAGE = "Usage"  # as in Kaggle's solution files: public, private (both with the test set's label distribution), unshifted (the train set's)


def hidden_labels(competition: Competition, paths: Paths) -> Path:
    """The file of a practice competition's hidden labels, which only scoring may read.

    Raises:
        DataError: this is not a practice competition.
    """
    if competition.practice is None:
        then = f"score it on a table of labels: make score COMP={competition.name} LABELS=table.csv"
        then += f"; or send it: make submit COMP={competition.name}" if competition.slug else ""
        raise DataError(f"competition {competition.name} has no hidden labels", then)
    return competition.folder(paths) / "hidden" / "labels.csv"


def read_labels(path: Path, competition: Competition) -> tuple[tuple[str, ...], Bools, NDArray[np.str_]]:
    """Ids, labels (N, C) and usage (N,) of a table of labels; usage is "all" if the table has no such column.

    Raises:
        DataError: a missing file or column, a duplicate id, an unknown label, or no label at all.
    """
    then = "correct LABELS=..., or make the practice competition with: make practice"
    ids, labels, table = read_known_labels(path, competition, [competition.columns.target], then)
    if not labels.any():
        raise DataError(f"{path} holds no label", "give a table with labels")
    return ids, labels, np.array(table[USAGE] if USAGE in table else ["all"] * len(ids))


def read_hidden_labels(competition: Competition, paths: Paths) -> tuple[tuple[str, ...], Bools, NDArray[np.str_]] | None:
    """Ids, labels and usage of a practice competition's hidden labels; None for any other competition."""
    return None if competition.practice is None else read_labels(hidden_labels(competition, paths), competition)


def decisions_of(path: Path, ids: tuple[str, ...], competition: Competition) -> Bools:
    """Decisions (N, C) of a submission in the order of `ids`; the submission may hold more ids, and rows without a label.

    Raises:
        DataError: the submission lacks one of the ids.
        SubmissionError: it is not valid, or was made here and then edited.
    """
    submitted, decisions = read_submission(path, competition, needs_labels=False)
    row = {image_id: number for number, image_id in enumerate(submitted)}
    if missing := [image_id for image_id in ids if image_id not in row]:
        then = f"make it again with: make stack COMP={competition.name}"
        raise DataError(f"{path} lacks {len(missing)} of the {len(ids)} labelled ids, e.g. {missing[0]}", then)
    check_unedited(path)
    return decisions[[row[image_id] for image_id in ids]]
