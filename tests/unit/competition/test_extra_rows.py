"""Tables of extra rows: read, refused with one line, and recognised when they change."""

import numpy as np
import pytest

from comp.base.errors import ConfigError, DataError
from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.competition.extra_rows import check_made_for, extra_image_files, read_extra
from tests.tiny_competition import make_extra_rows, make_tiny_competition

ROWS = [
    {"Id": "e1", "Target": "0 2", "sources": "image-00|image-01", "group": "A3"},
    {"Id": "e2", "Target": "1"},
    {"Id": "plate-e3", "Target": "", "only_fold": "2"},
]


@pytest.fixture
def tiny(tmp_path):
    make_tiny_competition(tmp_path)
    folder = make_extra_rows(tmp_path, ROWS)
    return load_competition("tiny", tmp_path), Paths("tiny", tmp_path), folder / "extra.csv"


def test_a_table_is_read_as_it_is_written(tiny):
    competition, paths, _ = tiny
    extra = read_extra(competition, paths, "more")
    assert extra.ids == ("e1", "e2", "plate-e3")
    assert extra.labels.tolist() == [[True, False, True], [False, True, False], [False, False, False]]
    assert extra.sources == (("image-00", "image-01"), (), ())
    assert extra.group == ("A3", "", "")
    assert extra.only_fold == (-1, -1, 2)
    files = extra_image_files(competition, paths, extra)
    assert [path.name for path in files["e2"]] == [f"e2_{channel}.png" for channel in ("red", "green", "blue", "yellow")]
    assert all(path.is_file() for each in files.values() for path in each)


def test_ids_and_labels_are_enough_and_labels_may_be_in_the_column_of_submissions(tiny):
    competition, paths, table = tiny
    table.write_text("Id,Predicted\ne1,0 1\n")
    extra = read_extra(competition, paths, "more")
    assert (extra.sources, extra.group, extra.only_fold) == (((),), ("",), (-1,))
    assert extra.labels.tolist() == [[True, True, False]]


def test_spaces_around_groups_and_further_columns_change_nothing(tiny):
    competition, paths, table = tiny
    table.write_text("Id,Target,sources,group,notes\ne1,0,, A3,x\ne2,0,,A3 ,y\n")
    assert read_extra(competition, paths, "more").group == ("A3", "A3")


def test_rows_of_a_fold_that_is_not_there_are_refused(tiny):
    competition, paths, table = tiny
    read_extra(competition, paths, "more").check_folds(3, table)
    with pytest.raises(DataError, match="only_fold 2 of id plate-e3 is none of the 2 folds: write a number from 0 to 1"):
        read_extra(competition, paths, "more").check_folds(2, table)


@pytest.mark.parametrize(("made", "said"), [("fold map", "another fold map"), ("train table", "another train table")])
def test_a_set_that_networks_of_other_folds_made_is_refused(tiny, made, said):
    _, paths, table = tiny
    manifest = table.with_name("manifest.json")
    for text in (None, "[", "[]", '{"data": "other"}', '{"folds": "f", "data": "d"}'):  # by hand, damaged, painted, of the present ones
        manifest.unlink(missing_ok=True)
        if text is not None:
            manifest.write_text(text)
        check_made_for(paths, "more", "f", "d")
    with pytest.raises(DataError, match=f"{said} than the present one: remove it, then make it again: make synthesize COMP=tiny"):
        check_made_for(paths, "more", *(("g", "d") if made == "fold map" else ("f", "e")))


def test_images_may_have_any_image_ending(tiny):
    competition, paths, table = tiny
    for path in (table.parent / "images").glob("e1_*.png"):
        path.rename(path.with_suffix(".tif"))
    files = extra_image_files(competition, paths, read_extra(competition, paths, "more"))
    assert {path.suffix for path in files["e1"]} == {".tif"}
    assert all(path.is_file() for path in files["e1"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Id,Label\ne1,0\n", "has no column 'Target' or 'Predicted'"),
        ("Name,Target\ne1,0\n", "has no column 'Id': it has Name, Target; name its column of ids Id"),
        ("Id,Target\n", "has no rows"),
        ("Id,Target\ne1,0\ne1,1\n", "id e1 appears twice"),
        ("Id,Target\n../e1,0\n", "has a part '..'"),
        ("Id,Target\ne1,7\n", "unknown label '7' of id e1"),
        ("Id,Target,only_fold\ne1,0,first\n", "only_fold 'first' of id e1 is no fold"),
        ("Id,Target,only_fold\ne1,0,-1\n", "only_fold '-1' of id e1 is no fold"),
        ("Id,Target,Sources\ne1,0,image-03\n", "has a column 'Sources', which nothing reads: call it 'sources', or remove it"),
        ("Id,Target,source\ne1,0,image-03\n", "has a column 'source', which nothing reads"),
        ("Id,Target,Only fold\ne1,0,1\n", "has a column 'Only fold', which nothing reads: call it 'only_fold'"),
        ("", "cannot be read as CSV"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_it(tiny, text, said):
    competition, paths, table = tiny
    table.write_text(text)
    with pytest.raises(DataError, match=str(table)) as error:
        read_extra(competition, paths, "more")
    assert said in str(error.value)


def test_a_missing_set_names_those_that_are_there(tiny):
    competition, paths, _ = tiny
    with pytest.raises(DataError, match="choose one of: more; or put a table and images there"):
        read_extra(competition, paths, "others")
    with pytest.raises(ConfigError, match="is no name of a set of extra rows"):
        read_extra(competition, paths, "../tiny")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Id": "image-05"}, "id image-05 is the id of a train image"),
        ({"Id": "e1", "sources": "image-00|image-99"}, "the source image-99 of id e1 is no train image"),
        ({"Id": "e1", "sources": "image-40"}, "the source image-40 of id e1 is no train image"),
    ],
)
def test_ids_are_checked_against_the_train_table(tiny, change, said):
    competition, paths, table = tiny
    make_extra_rows(paths.root, [change])
    train_ids = [f"image-{number:02d}" for number in range(36)]
    with pytest.raises(DataError) as error:
        read_extra(competition, paths, "more").check_ids(train_ids, table)
    assert said in str(error.value)


def test_the_fingerprint_follows_every_value_and_nothing_else(tiny):
    competition, paths, table = tiny
    before = read_extra(competition, paths, "more").fingerprint
    make_extra_rows(paths.root, ROWS[::-1], "reversed")
    assert read_extra(competition, paths, "reversed").fingerprint == before
    lines = table.read_text()
    changes = [("0 2", "0"), ("image-01", "image-02"), ("A3", "A4"), (",2\n", ",1\n"), ("plate-e3", "plate-e4")]
    found = {before}
    for old, new in changes:
        assert lines.count(old) == 1
        table.write_text(lines.replace(old, new))
        found.add(read_extra(competition, paths, "more").fingerprint)
    assert len(found) == len(changes) + 1
    assert np.all([len(each) == 16 for each in found])
