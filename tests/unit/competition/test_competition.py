import os
from pathlib import Path

import numpy as np
import pytest

from comp.base.errors import ConfigError, DataError
from comp.base.paths import Paths
from comp.competition.competition import Competition, load_competition
from comp.competition.tables import ids_of_submission, read_groups, read_test_ids, read_train

CLASSES = ("a", "b", "c")
TINY = Competition(name="tiny", title="Tiny", data="data", classes=CLASSES, groups={"table": "groups.csv", "column": "plate"})


@pytest.fixture
def paths(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.csv").write_text("Id,Target\nx,0 2\ny,1\n007,2\n")
    (data / "sample_submission.csv").write_text("Id,Predicted\nt2,0\nt1,0\n")
    (data / "groups.csv").write_text("Id,plate\ny,P1\nx,P2\n007,P1\n")
    return Paths("tiny", tmp_path)


def test_tables_are_read_by_name_and_as_text(paths):
    ids, labels = read_train(TINY, paths)
    assert ids == ("x", "y", "007")
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 1, 0], [0, 0, 1]])
    assert read_test_ids(TINY, paths) == ("t2", "t1")
    assert read_groups(TINY, paths, ids) == ("P2", "P1", "P1")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("Id,Target\nx,0\nx,1\n", r"train\.csv: id x appears twice"),
        ("Id,Target\nx,0\n,1\n", r"train\.csv: row 3 has no id"),
        ("Id,Target\nx,5\n", r"train\.csv: unknown label '5' of id x"),
        ("Id,Labels\nx,0\n", r"train\.csv has no column 'Target': it has Id, Labels; correct `columns` in the competition's YAML"),
        ("", r"train\.csv cannot be read as CSV"),
    ],
)
def test_a_bad_train_table_is_refused_in_one_line(paths, table, message):
    (paths.root / "data" / "train.csv").write_text(table)
    with pytest.raises(DataError, match=message) as caught:
        read_train(TINY, paths)
    assert "\n" not in str(caught.value)


def test_errors_of_missing_tables_and_groups_say_what_to_do(paths):
    (paths.root / "data" / "groups.csv").write_text("Id,plate\nx,P1\n")
    with pytest.raises(DataError, match=r"groups\.csv: id y has no row"):
        read_groups(TINY, paths, ("x", "y"))
    (paths.root / "data" / "groups.csv").write_text("Id,well\nx,P1\n")
    with pytest.raises(DataError, match=r"groups\.csv has no column 'plate': it has Id, well; correct `groups` in the competition's YAML"):
        read_groups(TINY, paths, ("x", "y"))
    (paths.root / "data" / "train.csv").unlink()
    with pytest.raises(DataError, match="make data COMP=tiny"):
        read_train(TINY, paths)


def test_a_users_own_table_of_ids_is_corrected_itself(paths):
    (paths.root / "mine.csv").write_text("image,Predicted\nx,0\n")
    with pytest.raises(DataError, match=r"mine\.csv has no column 'Id': it has image, Predicted; name its column of ids Id$"):
        ids_of_submission(TINY, paths.root / "mine.csv", "correct DATA")


def test_image_files_in_channel_order_or_one_for_all(paths):
    assert [path.name for path in TINY.image_files(paths, "train", "x")] == ["x_red.png", "x_green.png", "x_blue.png", "x_yellow.png"]
    single = TINY.model_copy(update={"images": TINY.images.model_copy(update={"file": "{id}.tif"})})
    assert single.image_files(paths, "test", "x") == [paths.root / "data" / "test" / "x.tif"]


def test_an_unknown_competition_lists_those_that_exist():
    with pytest.raises(ConfigError, match=r"choose one of: (.*, )?hpa, (.*, )?practice"):
        load_competition("hpb", Path(__file__).parents[3])


@pytest.mark.skipif("HPA_SHARED" not in os.environ, reason="needs the real tables: set HPA_SHARED")
def test_the_real_tables_have_the_published_counts():
    hpa = load_competition("hpa", Path(__file__).parents[3]).model_copy(update={"data": os.environ["HPA_SHARED"] + "/hpa-tables"})
    ids, labels = read_train(hpa, Paths("hpa"))
    assert len(ids) == 31_072
    assert labels.sum(axis=0)[[0, 15, 25, 27]].tolist() == [12885, 21, 8228, 11]
    assert len(read_test_ids(hpa, Paths("hpa"))) == 11_702


def test_like_takes_what_is_not_given_from_another_competition(tmp_path):
    folder = tmp_path / "configs/competitions"
    folder.mkdir(parents=True)
    (folder / "base.yaml").write_text("title: Base\ndata: data/base\nclasses: [a, b]\nfolds: {count: 4, split_groups: 0.3}\n")
    (folder / "small.yaml").write_text("like: base\ntitle: Small\nfolds: {holdout: 0.2}\n")
    (folder / "smaller.yaml").write_text("like: small\n")
    small = load_competition("small", tmp_path)
    assert (small.name, small.title, small.data, small.classes) == ("small", "Small", "data/base", ("a", "b"))
    assert (small.folds.count, small.folds.split_groups, small.folds.holdout) == (4, 0.3, 0.2)
    with pytest.raises(ConfigError, match=r"smaller.yaml: small is itself like base: be like one that stands alone"):
        load_competition("smaller", tmp_path)
