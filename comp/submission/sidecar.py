"""The sidecar of a submission: a JSON file next to the CSV that says how it was made, what to expect of it and its class subset."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from comp.base.errors import CompError, SubmissionError
from comp.competition.competition import Competition
from comp.metrics.bootstrap import Estimate
from comp.predictions.table_file import check_is_file, short_reason

CONTENT = "sha256"  # the sidecar's key for the hash of the CSV
REPAIR = "remove it, or make the submission again"


def sidecar_of(submission: Path) -> Path:
    """The path of a submission's sidecar."""
    return submission.parent / f"{submission.stem}.json"


def read_sidecar(submission: Path) -> dict[str, Any]:
    """The JSON next to a submission; empty if there is none, as for a CSV made elsewhere.

    Raises:
        SubmissionError: it is damaged.
    """
    path = sidecar_of(submission)
    if not os.path.lexists(path):
        return {}
    try:
        check_is_file(path)
        value = json.loads(path.read_text(encoding="utf-8"))
    except CompError as error:
        raise SubmissionError(error.what, REPAIR) from None
    except (OSError, ValueError, RecursionError) as error:
        raise SubmissionError(f"{path} cannot be read as JSON ({short_reason(error)})", REPAIR) from None
    if not isinstance(value, dict):
        raise SubmissionError(f"{path} holds no JSON object", REPAIR)
    return value


def content_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def check_unedited(submission: Path) -> None:
    """Check that a submission still has the content that its sidecar says; a CSV made elsewhere has no sidecar, and none is needed.

    Raises:
        SubmissionError: it was edited, or its sidecar is damaged.
    """
    if read_sidecar(submission).get(CONTENT, found := content_hash(submission.read_bytes())) != found:
        own = f"if you mean it, copy it without its .json and use the copy: cp {submission} mine.csv, then FILE=mine.csv"
        raise SubmissionError(f"{submission} was edited after it was made ({sidecar_of(submission).name} has another hash)", own)


def expected_score(submission: Path) -> Estimate | None:
    """The score to expect of a submission: the nested macro F1 in its sidecar; None if there is none.

    Raises:
        SubmissionError: `nested` has no value and error.
    """
    nested = read_sidecar(submission).get("nested")
    try:
        return Estimate(float(nested["value"]), float(nested["error"]), is_score=True) if nested else None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SubmissionError(f"{sidecar_of(submission)}: nested has no value and error", REPAIR) from None


def class_subset(submission: Path, competition: Competition) -> list[int]:
    """Columns of the classes whose labels a submission can hold, by its sidecar; empty if it can hold all.

    Raises:
        SubmissionError: the sidecar names classes that the competition does not have.
    """
    named = read_sidecar(submission).get("classes") or []
    try:
        columns = [competition.classes.index(name) for name in named]
    except (TypeError, ValueError):
        raise SubmissionError(f"{sidecar_of(submission)}: `classes` are not the competition's", REPAIR) from None
    return columns if len(columns) < len(competition.classes) else []
