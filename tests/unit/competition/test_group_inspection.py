"""Finding groups: columns by their names, in tables that have every train id once."""

from pathlib import Path

import pytest

from comp.competition.group_inspection import FoundGroups, find_groups
from comp.competition.table_inspection import find_tables
from tests.unit.competition.folder import write_tables


def groups(folder: Path) -> FoundGroups | None:
    return find_groups(folder, find_tables(folder))[0]


def test_groups_in_another_table(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\nb,0\nc,1\n")
    assert groups(folder) is None
    (folder / "answers.csv").write_text("Id,Target\na,1\nb,0\nc,1\n")
    (folder / "some.csv").write_text("Id,antibody\na,x\nb,x\n")
    (folder / "unique.csv").write_text("Id,plate\na,1\nb,2\nc,3\n")
    (folder / "twice.csv").write_text("Id,plate\na,1\nb,1\nc,3\nc,3\n")
    assert groups(folder) is None
    (folder / "extra.csv").write_text("name,cell,well,antibody\nc,u,1,x\na,u,2,x\nb,v,2,y\nz,v,7,q\n")
    found = groups(folder)
    assert found is not None
    assert (found.file, found.id_column, found.column, found.count) == ("extra.csv", "name", "antibody", 2)
    assert find_groups(folder, find_tables(folder))[1][-2:] == ["plate of unique.csv", "well of extra.csv"]


@pytest.mark.parametrize("name", ["patient", "Patient", "PatientID", "patient_id", "patients", "patientid", "well_no", "the group"])
def test_names_of_groups(tmp_path: Path, name: str) -> None:
    folder = write_tables(tmp_path, f"Id,Target,colour,{name}\na,1,x,p\nb,0,x,p\nc,1,y,q\n")
    found = groups(folder)
    assert found is not None
    assert (found.file, found.column, found.count) == ("train.csv", name, 2)


@pytest.mark.parametrize("name", ["fold", "source", "split", "template", "wellness", "lower_casing", "width", "Usage"])
def test_other_names(tmp_path: Path, name: str) -> None:
    folder = write_tables(tmp_path, f"Id,Target,{name}\na,1,p\nb,0,p\nc,1,q\n")
    assert find_groups(folder, find_tables(folder)) == (None, [f"{name} of train.csv"])
