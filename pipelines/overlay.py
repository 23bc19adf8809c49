"""Lay labels known from elsewhere over a submission: images of the test set that were published with their labels, too.

Writes submissions/<competition>/<submission>-overlay-<hash8>.csv beside the submission, which stays. What an overlay scores says
nothing about the models, and its .json, its name and make submit say so.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from comp.competition import Competition


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="the submission (default: the newest of submissions/<competition>/)")
    arguments.add_argument("--labels", required=True, type=Path, metavar="CSV", help="known labels, with the train table's columns")
    options = arguments.parse_args()

    from comp.competition import load_competition, read_test_ids
    from comp.files import hash_file
    from comp.paths import Paths
    from comp.submission import check_submission, newest_submission, read_submission, write_submission

    competition, paths = load_competition(options.competition), Paths(options.competition)
    test_ids = read_test_ids(competition, paths)
    path = options.file or newest_submission(paths.submissions(), competition)
    refuse_overlay(path, "lay the labels over the submission below it")
    check_submission(path, competition, test_ids)
    ids, decisions = read_submission(path, competition)
    known_ids, known = read_known(options.labels, competition, test_ids)
    row = {image_id: number for number, image_id in enumerate(ids)}
    laid = decisions.copy()
    laid[[row[image_id] for image_id in known_ids]] = known
    changed = int((laid != decisions).any(axis=1).sum())
    note = (
        f"an OVERLAY: {len(known_ids)} of {len(ids)} rows have the labels of {options.labels.name}, {changed} of them changed by it; "
        "its score says nothing about the models"
    )
    sidecar = {
        "competition": competition.name,
        "note": note,
        "overlay": {
            "submission": {"name": path.name, "hash": hash_file(path)},
            "table": {"name": options.labels.name, "hash": hash_file(options.labels)},
            "rows": len(known_ids),
            "changed": changed,
        },
    }
    labels = competition.labels.strings(laid[[row[image_id] for image_id in test_ids]])
    made = write_submission(paths.submissions(), f"{path.stem}-overlay", test_ids, labels, competition, sidecar)
    say(f"{made}: {note}")
    say(f"it is now the newest submission; make submit COMP={competition.name} FILE={path} sends the one without the labels")


def read_known(path: Path, competition: "Competition", test_ids: tuple[str, ...]) -> "tuple[tuple[str, ...], NDArray[np.bool_]]":
    """Ids and labels (N, C) of a table of known labels.

    Raises:
        DataError: no such table or columns, an id twice or not in the sample submission, a row without labels or an unknown one.
    """
    import pandas as pd

    from comp.competition import read_ids
    from comp.errors import DataError

    ids = read_ids(path, competition.columns.id, "give the table with LABELS=...")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = (competition.columns.target, competition.columns.predicted)
    target = next((column for column in columns if column in table), None)
    if target is None:
        then = f"it has {', '.join(table.columns)}; rename the one with labels"
        raise DataError(f"{path} has no column {columns[0]!r} or {columns[1]!r}", then)
    wanted, sample = set(test_ids), competition.tables.test
    foreign = [image_id for image_id in ids if image_id not in wanted]
    if foreign and len(foreign) == len(ids):
        raise DataError(f"{path} has no id in common with {sample}, e.g. not {foreign[0]}", "name its rows by the ids of the test images")
    if foreign:
        raise DataError(f"{path} holds {len(foreign)} ids that {sample} does not, e.g. {foreign[0]}", "remove their rows")
    if not ids:
        raise DataError(f"{path} has no rows", "there is nothing to lay over the submission")
    known = competition.labels.multi_hot(table[target], ids, str(path))
    if not known.any(axis=1).all():
        raise DataError(f"{path}: id {ids[int((~known.any(axis=1)).argmax())]} has no label", "give it one, or remove its row")
    return ids, known


def refuse_overlay(path: Path, then: str) -> None:
    """Raise SubmissionError for a submission that is an overlay, by its sidecar or its name; `then` says what to do instead."""
    from comp.errors import SubmissionError
    from comp.submission import read_sidecar

    if "overlay" in read_sidecar(path) or re.search(r"-overlay-[0-9a-f]{8}$", path.stem):
        raise SubmissionError(f"{path} is an overlay, whose labels are not all predicted", then)


if __name__ == "__main__":
    run(main)
