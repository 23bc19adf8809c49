"""A file with the ids of rows: one a line, or a CSV with a column of ids."""

from pathlib import Path

from comp.base.errors import DataError, PredictionError
from comp.competition.id_column import read_ids
from comp.predictions.table_file import check_is_file


def read_id_file(path: Path, id_column: str) -> tuple[str, ...]:
    """The ids of a file, in its order: a CSV whose header names `id_column`, else one id a line, with or without the header `id`.

    Raises:
        PredictionError: it is no text in UTF-8, or holds no id.
        DataError: it is a CSV that is not valid.
    """
    check_is_file(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise PredictionError(f"{path} cannot be read as text", "give a file with one id a line, or a CSV with a column of ids") from None
    if not lines:
        raise PredictionError(f"{path} holds no ids", "write one id a line")
    header = [cell.strip().strip('"') for cell in lines[0].replace(";", ",").replace("\t", ",").split(",")]
    named = next((cell for cell in header if cell.lower() in (id_column.lower(), "id")), None)
    if named is None:
        return tuple(line.strip('"') for line in lines)
    try:
        return read_ids(path, named, "check the path")
    except DataError as error:
        raise PredictionError(error.what, error.then) from None
