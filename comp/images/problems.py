"""Image files that are missing or cannot be read: all in a CSV, the first ones in an error."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from comp.base.errors import DataError
from comp.base.files import write_text

Files = Mapping[str, Sequence[Path]]  # id -> its files
Problems = list[tuple[str, str]]  # id, problem
NAMED = 3  # problems in a message; the CSV has all of them


def missing_files(files: Files) -> Problems:
    """The files that do not exist."""
    return [(image_id, f"{path} is missing") for image_id, paths in files.items() for path in paths if not path.is_file()]


def check_no_problems(problems: Problems, total: int, report: Path, then: str) -> None:
    """If there are problems, write all of them to `report` and raise DataError with the first ones. `then` is what to do about them."""
    if not problems:
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("id", "problem"), *problems])
    write_text(report, text.getvalue())
    images = len({image_id for image_id, _ in problems})
    first = "; ".join(problem for _, problem in problems[:NAMED])
    more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    raise DataError(
        f"{images} of {total} images cannot be used: {first}{more} (all in {report})",
        then,
    )
