"""Thousands of TIFF and PNG files of every form that four writers offer: each is read as it was stored, or refused by name."""

from pathlib import Path

from tests.docs.image_formats import PAGE, table
from tests.unit.images.formats.outcomes import outcomes

FEWEST = 2_000


def test_every_form_is_read_as_stored_or_refused_by_name(tmp_path: Path) -> None:
    found, different = outcomes(tmp_path)
    assert different == []
    assert sum(each.total() for each in found.values()) >= FEWEST
    assert table(found) in PAGE.read_text(), "the table is out of date: .venv/bin/python -m tests.docs.image_formats"
