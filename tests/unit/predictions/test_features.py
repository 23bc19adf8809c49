"""A table of features is joined by id; errors name what is wrong with it."""

import numpy as np
import pandas as pd
import pytest

from comp.base.errors import PredictionError
from comp.predictions.features import read_features

IDS = ("007", "b", "NA")
VALUES = [[1, 0.5], [np.nan, -2], [3, 1e-3]]


def write(path, table, index=False):
    table.to_csv(path, index=index) if path.suffix == ".csv" else table.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("column", ["Id", "id"])
def test_rows_are_joined_by_id_and_empty_cells_are_nan(tmp_path, suffix, column):
    table = pd.DataFrame(VALUES, columns=["size", "shade"])
    table["flag"] = [True, False, True]
    table["never"] = np.nan
    table.insert(1, column, IDS)
    more = pd.concat([table, table.assign(**{column: ["x", "y", "z"]})]).sample(frac=1, random_state=0)
    found = read_features(write(tmp_path / f"table{suffix}", more), IDS, "Id")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.column_stack([VALUES, [1, 0, 1], [np.nan] * 3]).astype(np.float32))
    np.testing.assert_array_equal(read_features(tmp_path / f"table{suffix}", IDS[::-1], "Id"), found[::-1])


def test_row_numbers_are_not_a_feature(tmp_path):
    table = pd.DataFrame({"Id": IDS, "size": [1.0, 2.0, 3.0]}).iloc[::-1]
    assert read_features(write(tmp_path / "t.csv", table, index=True), IDS, "Id").tolist() == [[1], [2], [3]]
    assert read_features(write(tmp_path / "t.parquet", table), IDS, "Id").tolist() == [[1], [2], [3]]


def test_the_index_of_a_parquet_file_may_hold_the_ids(tmp_path):
    table = pd.DataFrame(VALUES, columns=["size", "shade"], index=pd.Index(IDS, name="Id"))
    np.testing.assert_array_equal(read_features(write(tmp_path / "t.parquet", table), IDS, "Id"), np.float32(VALUES))


def test_numbers_as_ids_of_a_parquet_file(tmp_path):
    table = pd.DataFrame({"Id": [3, 1], "size": [30, 10]})
    assert read_features(write(tmp_path / "t.parquet", table), ("1", "3"), "Id").tolist() == [[10], [30]]


def table(**changes):
    return pd.DataFrame({"Id": IDS, "size": [1.0, 2.0, 3.0], **changes})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("made", "message"),
    [
        (table(Id=["007", "b", "b"]), "holds id b twice"),
        (table(Id=["007", "b", "c"]), "lacks 1 of 3 ids, e.g. NA"),
        (table(word=["1", "two", "3"]), "the column 'word', which is not numeric"),
        (table(size=[1, np.inf, 2]), "an infinite value for id b, column 'size'"),
        (table(size=[1, 2, 1e200]), "an infinite value for id NA, column 'size'"),
        (table()[["Id"]], "has no column other than the ids"),
        (table().rename(columns={"Id": "image"}), "has no column 'Id' or 'id': it has image, size"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path, suffix, made, message):
    path = write(tmp_path / f"table{suffix}", made)
    with pytest.raises(PredictionError, match=rf"table\{suffix} .*{message}") as caught:
        read_features(path, IDS, "Id")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "cannot be read"),
        ("t.csv", b"\xff\xfe\x00", "cannot be read"),
        ("t.csv", b"Id,size\na,1\nb,1,2,3\n", "cannot be read"),
        ("t.parquet", b"PAR1", "cannot be read"),
        ("t.npy", b"", "is neither .csv nor .parquet"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PredictionError, match=message):
        read_features(tmp_path / name, IDS, "Id")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_missing_table_is_named(tmp_path, name):
    with pytest.raises(PredictionError, match=f"there is no .*{name}"):
        read_features(tmp_path / name, IDS, "Id")
