"""The sidecar of a submission: a JSON file next to the CSV that says how it was made, what to expect of it and its class subset."""

import json
from pathlib import Path
from typing import Any

from comp.base.errors import SubmissionError
from comp.competition.competition import Competition
from comp.metrics.bootstrap import Estimate


def read_sidecar(submission: Path) -> dict[str, Any]:
    """The JSON next to a submission; empty if there is none, as for a CSV made elsewhere.

    Raises:
        SubmissionError: it is damaged.
    """
    path = submission.with_suffix(".json")
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SubmissionError(f"{path} cannot be read as JSON ({error})", "remove it, or make the submission again") from None
    return value if isinstance(value, dict) else {}


def expected_score(submission: Path) -> Estimate | None:
    """The score to expect of a submission: the nested macro F1 in its sidecar; None if there is none.

    Raises:
        SubmissionError: `nested` has no value and error.
    """
    nested = read_sidecar(submission).get("nested")
    try:
        return Estimate(float(nested["value"]), float(nested["error"])) if nested else None
    except (KeyError, TypeError, ValueError):
        where = submission.with_suffix(".json")
        raise SubmissionError(f"{where}: nested has no value and error", "remove the file, or make the submission again") from None


def class_subset(submission: Path, competition: Competition) -> list[int]:
    """Columns of the classes whose labels a submission can hold, by its sidecar; empty if it can hold all.

    Raises:
        SubmissionError: the sidecar names classes that the competition does not have.
    """
    named = read_sidecar(submission).get("classes") or []
    try:
        columns = [competition.classes.index(name) for name in named]
    except (TypeError, ValueError):
        where = submission.with_suffix(".json")
        raise SubmissionError(f"{where}: `classes` are not the competition's", "remove the file, or make the submission again") from None
    return columns if len(columns) < len(competition.classes) else []
