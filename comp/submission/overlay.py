"""Overlays: submissions in which known labels replace predicted ones."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError, SubmissionError
from comp.base.files import hash_file
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.tables import SubmissionForm, read_form, read_known_labels
from comp.submission.sidecar import read_sidecar
from comp.submission.submission import check_submission, read_submission, write_submission


@dataclass(frozen=True)
class Overlay:
    """An overlay as written.

    Attributes:
        path: its CSV.
        note: one sentence that says it is an overlay.
    """

    path: Path
    note: str


def overlay(submission: Path, table: Path, competition: Competition) -> Overlay:
    """Replace a submission's labels by those of a table of known labels, and write the result as a submission of its own.

    Raises:
        SubmissionError: the submission is not valid, or is an overlay already.
        DataError: the table is not valid.
    """
    paths = Paths(competition.name)
    form = read_form(competition, paths)
    check_no_overlay(submission, "lay the labels over the submission under it")
    check_submission(submission, competition, form)
    ids, decisions = read_submission(submission, competition, needs_labels=form.needs_labels)
    known_ids, known = read_known(table, competition, form)
    row = {image_id: number for number, image_id in enumerate(ids)}
    laid = decisions.copy()
    laid[[row[image_id] for image_id in known_ids]] = known
    changed = int((laid != decisions).any(axis=1).sum())
    note = (
        f"an OVERLAY: {len(known_ids)} of {len(ids)} rows have the labels of {table.name}, which changed {changed} of them; "
        "its score says nothing about the models"
    )
    sidecar = {
        "competition": competition.name,
        "note": note,
        "overlay": {
            "submission": {"name": submission.name, "hash": hash_file(submission)},
            "table": {"name": table.name, "hash": hash_file(table)},
            "rows": len(known_ids),
            "changed": changed,
        },
    }
    labels = dict(zip(form.ids, competition.labels.strings(laid[[row[image_id] for image_id in form.ids]]), strict=True))
    stem = paths.submissions() / f"{submission.stem}-overlay"
    return Overlay(write_submission(stem, labels, competition, sidecar, needs_labels=form.needs_labels), note)


def read_known(path: Path, competition: Competition, form: SubmissionForm) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Ids and labels (N, C) of a table of known labels.

    Raises:
        DataError: no such table or column, an id twice or not in the sample submission, an unknown label, or a row without the label
            that it needs.
    """
    columns = competition.columns
    ids, known, _ = read_known_labels(path, competition, [columns.target, columns.predicted], "give the table with LABELS=...")
    wanted, sample = set(form.ids), competition.tables.test
    unknown = [image_id for image_id in ids if image_id not in wanted]
    if unknown and len(unknown) == len(ids):
        raise DataError(
            f"{path} has no id in common with {sample}; its first is {unknown[0]}", "name its rows by the ids of the test images"
        )
    if unknown:
        raise DataError(f"{path} holds {len(unknown)} ids that {sample} does not, e.g. {unknown[0]}", "remove their rows")
    if not ids:
        raise DataError(f"{path} has no rows", "there is nothing to lay over the submission")
    if form.needs_labels and not known.any(axis=1).all():
        raise DataError(f"{path}: id {ids[int((~known.any(axis=1)).argmax())]} has no label", "give it one, or remove its row")
    return ids, known


def check_no_overlay(path: Path, then: str) -> None:
    """Raise SubmissionError if a submission is an overlay, by its sidecar or its name; `then` says what to do instead."""
    if "overlay" in read_sidecar(path) or re.search(r"-overlay-[0-9a-f]{8}$", path.stem):
        raise SubmissionError(f"{path} is an overlay: some of its labels were not predicted", then)
