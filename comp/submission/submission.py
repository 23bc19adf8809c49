"""A submission: a CSV with the labels of every test id. Written with its sidecar, read and checked."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError, PredictionError, SubmissionError
from comp.base.files import atomic_write, hash_of, write_json
from comp.competition.competition import Competition
from comp.competition.tables import SubmissionForm
from comp.predictions.table_file import read_rows, shown
from comp.submission.sidecar import CONTENT, check_unedited, content_hash


@dataclass(frozen=True)
class SubmissionSummary:
    """What a valid submission predicts.

    Attributes:
        rows: number of images.
        labels_per_row: number of labels -> number of rows with that many.
        per_class: class name -> number of rows with it, in the order of the classes.
    """

    rows: int
    labels_per_row: dict[int, int]
    per_class: dict[str, int]

    def text(self) -> str:
        ranked = sorted(self.per_class.items(), key=lambda item: -item[1])
        half = min(3, len(ranked) // 2)
        labels = ", ".join(f"{rows} with {count}" for count, rows in sorted(self.labels_per_row.items()))
        most, least = (", ".join(f"{name} {rows}" for name, rows in some) for some in (ranked[:half], ranked[len(ranked) - half :]))
        return f"{self.rows} rows; labels per row: {labels}\nmost predicted: {most}; least: {least}"


def write_submission(
    stem: Path,
    labels: Mapping[str, str],
    competition: Competition,
    sidecar: dict[str, Any],
    details: str = "",
    *,
    needs_labels: bool = True,
) -> Path:
    """Write `<stem>-<hash8>.csv` and `<stem>-<hash8>.json`; returns the CSV's path.

    Args:
        stem: folder and name.
        labels: test id -> its labels, such as "16 0", in the order of the sample submission.
        sidecar: how the submission was made, as JSON; `expected_score` reads its key `nested`, an `Estimate` as {"value", "error"}.
            The hash of the CSV is added to it.
        details: text about the submission for `<stem>-<hash8>.txt`; without it, no such file.
        needs_labels: whether every image needs a label.

    Raises:
        SubmissionError: the rows are not a valid submission; nothing is written.
    """
    _decisions(list(labels), list(labels.values()), competition, f"submission {stem.name}", needs_labels=needs_labels)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([competition.columns.id, competition.columns.predicted])
    writer.writerows(labels.items())
    content = text.getvalue().encode()
    sheet = stem.with_name(f"{stem.name}-{hash_of([content_hash(content), sidecar], digits=8)}.csv")
    write_json(sheet.with_suffix(".json"), {**sidecar, CONTENT: content_hash(content)})
    try:
        if details:
            with atomic_write(sheet.with_suffix(".txt")) as file:
                file.write(f"{details}\n".encode())
        with atomic_write(sheet) as file:  # last, so that there is never a CSV without its sidecar
            file.write(content)
    except BaseException:
        if not sheet.exists():
            sheet.with_suffix(".json").unlink()
            sheet.with_suffix(".txt").unlink(missing_ok=True)
        raise
    return sheet


def read_submission(path: Path, competition: Competition, *, needs_labels: bool) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Ids and decisions (N, C) of a submission, rows in the file's order.

    Raises:
        SubmissionError: not a CSV with the competition's two columns, a repeated id, or an unknown or repeated label. Or a row has no
            label although it `needs_labels`.
    """
    then = f"correct it, or make one with: make stack COMP={competition.name}"
    wanted = [competition.columns.id, competition.columns.predicted]
    try:
        header, *rows = read_rows(path, ",")
    except PredictionError as error:
        raise SubmissionError(error.what, then) from None
    header = [name.strip() for name in header]
    if sorted(header) != sorted(wanted):
        raise SubmissionError(f"{path} has the columns {shown(repr(','.join(header)))}, not {','.join(wanted)!r}", then)
    id_column, label_column = (header.index(column) for column in wanted)
    ids = tuple(row[id_column] for row in rows)
    return ids, _decisions(ids, [row[label_column] for row in rows], competition, str(path), needs_labels=needs_labels)


def check_submission(path: Path, competition: Competition, form: SubmissionForm) -> SubmissionSummary:
    """What a valid submission predicts. It must hold each id of the form once, in any order: Kaggle joins rows by id.

    Raises:
        SubmissionError: as `read_submission`, the ids are not those of the sample submission, or it was made here and then edited.
    """
    ids, decisions = read_submission(path, competition, needs_labels=form.needs_labels)
    there, wanted = set(ids), set(form.ids)
    sample, then = competition.tables.test, f"make it again with: make stack COMP={competition.name}"
    if missing := [image_id for image_id in form.ids if image_id not in there]:
        raise SubmissionError(f"{path} lacks {len(missing)} of the {len(wanted)} ids of {sample}, e.g. {missing[0]}", then)
    if unknown := [image_id for image_id in ids if image_id not in wanted]:
        raise SubmissionError(f"{path} holds {len(unknown)} ids that {sample} does not, e.g. {shown(unknown[0])}", then)
    check_unedited(path)
    per_class = dict(zip(competition.labels.names, decisions.sum(axis=0).tolist(), strict=True))
    return SubmissionSummary(len(ids), dict(Counter(decisions.sum(axis=1).tolist())), per_class)


def newest_submission(folder: Path, competition: Competition) -> Path:
    """The CSV in `folder` that was written last.

    Raises:
        SubmissionError: there is none.
    """
    files = [path for path in folder.glob("*.csv") if path.is_file()]
    found = sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not found:
        raise SubmissionError(f"there is no submission in {folder}", f"make one with: make stack COMP={competition.name}")
    return found[-1]


def _decisions(
    ids: Sequence[str], label_strings: Sequence[str], competition: Competition, source: str, *, needs_labels: bool
) -> NDArray[np.bool_]:
    """Label strings as a matrix (N, C); raises SubmissionError for what Kaggle would refuse or count twice."""
    then = f"correct it, or make one with: make stack COMP={competition.name}"
    earlier: set[str] = set()
    for image_id, string in zip(ids, label_strings, strict=True):
        labels = competition.labels.split(string)
        if image_id in earlier:
            raise SubmissionError(f"{source} holds id {shown(image_id)} twice", then)
        if needs_labels and not labels:
            raise SubmissionError(f"{source}: the prediction of id {shown(image_id)} is empty", then)
        if repeated := [label for label, count in Counter(labels).items() if count > 1]:
            raise SubmissionError(f"{source}: label {shown(repr(repeated[0]))} of id {shown(image_id)} is repeated", then)
        earlier.add(image_id)
    try:
        return competition.labels.multi_hot(label_strings, [shown(image_id) for image_id in ids], source)
    except DataError as error:
        raise SubmissionError(error.what, then) from None
