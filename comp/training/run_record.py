"""The record of a run, `run-K.json`: what is known of it beyond what determines its predictions."""

import json
from pathlib import Path
from typing import Any

from comp.base.files import read_text


def read_record(path: Path) -> dict[str, Any] | None:
    """The record of a run; None if it is missing or damaged."""
    try:
        record = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("experiment", {}), dict) else None
