"""Tables of predictions made elsewhere: every value reaches its class and its id, or the file is refused by name."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from comp.base.errors import PredictionError
from comp.competition.competition import Competition
from comp.metrics.logits import logit
from comp.predictions.imported_table import ImportedTable
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Provenance

CLASSES = ("Nuclear membrane", "Cytosol", "Rods")
COMPETITION = Competition(name="tiny", title="Tiny", data="data", classes=CLASSES)
IDS = ("NA", "null", "007", "1e5", "True", "well 3", "plaque-é", "plate/a1")
VALUES = np.random.default_rng(0).uniform(0.01, 0.99, (len(IDS), 3))


def read(path: Path, logits: bool = False, id_file: Path | None = None, competition: Competition = COMPETITION) -> Predictions:
    provenance = Provenance(competition="tiny", model="m", kind="imported", classes=competition.classes, data="d", declared="oof")
    return ImportedTable(path, "train", id_file, logits).read(IDS, competition, provenance)


def check_read(path: Path, wanted: np.ndarray = VALUES, **options: object) -> None:
    found = read(path, **options)  # type: ignore[arg-type]
    assert found.ids == IDS
    np.testing.assert_allclose(found.logits, logit(wanted), atol=1e-5)


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(PredictionError) as caught:
        read(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def table(names: list[str], order: list[int] | None = None, ids: bool = True) -> pd.DataFrame:
    """The probabilities of classes `order` under `names`, rows reversed where ids say which they are."""
    made = pd.DataFrame(VALUES[:, order or [0, 1, 2]], columns=names)
    if ids:
        made.insert(0, "Id", list(IDS))
        return made.iloc[::-1]
    return made


def saved(path: Path, made: pd.DataFrame, **options: object) -> Path:
    made.to_parquet(path) if path.suffix.lower() == ".parquet" else made.to_csv(path, index=False, **options)  # type: ignore[call-overload]
    return path


@pytest.fixture(params=["t.csv", "t.parquet"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return tmp_path / request.param


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["pred_2", "pred_0", "pred_1"], "pred_0 = Nuclear membrane, pred_1 = Cytosol, pred_2 = Rods"),
        (["z02", "z00", "z01"], "z00 = Nuclear membrane"),
        (["class 2 (p)", "class 0 (p)", "class 1 (p)"], "class 0 (p) = Nuclear membrane"),
        (["rods", "nuclear_membrane", "CYTOSOL "], "nuclear_membrane = Nuclear membrane"),
        (["p_Rods", "p_Nuclear membrane", "p_Cytosol"], "p_Nuclear membrane = Nuclear membrane"),
    ],
)
def test_names_that_fit_the_classes_once_are_taken_and_the_mapping_is_printed(path, capsys, names, shown, ids):
    check_read(saved(path, table(names, [2, 0, 1], ids)))
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("names", [list(CLASSES), ["0", "1", "2"]])
def test_names_and_tokens_need_no_mapping(path, capsys, names):
    check_read(saved(path, table([names[2], names[0], names[1]], [2, 0, 1])))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "c"], "has no column for 'Nuclear membrane', 'Cytosol', 'Rods', and columns that are no class: 'a', 'b', 'c'"),
        (["pred_1", "pred_2", "pred_3"], "no class: 'pred_1', 'pred_2', 'pred_3'"),
        (["pred_0", "other_1", "pred_2"], "no class: 'pred_0', 'other_1', 'pred_2'"),
        (["Cytosol", "Rods", "Golgi"], "has no column for 'Nuclear membrane', and columns that are no class: 'Golgi'"),
        (["0", "1", "3"], "has no column for '2', and columns that are no class: '3'"),
    ],
)
def test_other_names_are_never_taken_by_position(path, names, message, ids):
    error = refusal(saved(path, table(names, None, ids)))
    assert message in error
    assert "name its columns by the classes" in error


@pytest.mark.parametrize("ids", [True, False])
def test_columns_beyond_the_classes_are_refused_by_name(path, ids):
    made = table(list(CLASSES), None, ids).assign(Golgi=0.5, score=0.25)
    assert "has columns that are no class: 'Golgi', 'score'" in refusal(saved(path, made))
    made = table(list(CLASSES), None, ids).drop(columns="Cytosol")
    assert "has no column for 'Cytosol'" in refusal(saved(path, made))


def test_two_columns_of_one_name_are_refused(tmp_path):
    lines = "".join(f"{name},0.1,0.2,0.3,0.4\n" for name in IDS)
    (tmp_path / "t.csv").write_text("Id,0,1,2,1\n" + lines)
    assert "has two columns '1'" in refusal(tmp_path / "t.csv")
    pq.write_table(pa.table([IDS, *VALUES.T, VALUES[:, 1]], names=["Id", "0", "1", "2", "1"]), tmp_path / "t.parquet")
    assert "has two columns '1'" in refusal(tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("Id,ID,0,1,2\n" + "".join(f"{name},{name},0.2,0.3,0.4\n" for name in IDS))
    assert "has two columns of ids, 'Id', 'ID'" in refusal(tmp_path / "t.csv")


def test_names_that_fit_in_two_ways_are_refused(path):
    swapped = Competition(name="tiny", title="Tiny", data="data", classes=("1", "0", "2"))
    assert "fit the classes in two ways" in refusal(saved(path, table(["0", "1", "2"])), competition=swapped)
    swapped = Competition(name="tiny", title="Tiny", data="data", classes=CLASSES, tokens=("2", "0", "1"))
    assert "fit the classes in two ways" in refusal(saved(path, table(["p2", "p0", "p1"])), competition=swapped)


def test_arrays_are_taken_in_the_order_that_is_printed(tmp_path, capsys):
    np.save(tmp_path / "t.npy", VALUES)
    check_read(tmp_path / "t.npy")
    said = f"{tmp_path / 't.npy'} has no names; its columns are taken in the competition's order: Nuclear membrane, Cytosol, Rods\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("kind", ["float16", ">f4", ">f8", "longdouble", "F"])
def test_arrays_of_any_real_type_and_order_of_bytes(tmp_path, kind):
    made = np.asfortranarray(VALUES) if kind == "F" else VALUES.astype(kind)
    np.save(tmp_path / "t.NPY", made)
    (tmp_path / "t.NPY.npy").rename(tmp_path / "t.NPY")
    check_read(tmp_path / "t.NPY", made.astype(float))


@pytest.mark.parametrize("suffix", [".CSV", ".Parquet"])
def test_endings_in_any_case(tmp_path, suffix):
    check_read(saved(tmp_path / f"t{suffix}", table(list(CLASSES))))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_of_any_separator_line_end_and_byte_order_mark(tmp_path, separator, end, encoding):
    made = table(list(CLASSES))
    check_read(saved(tmp_path / "t.csv", made, sep=separator, lineterminator=end, encoding=encoding))
    made.to_csv(tmp_path / "t.csv", index=False, sep=separator, quoting=1)
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text() + "\n\n")
    check_read(tmp_path / "t.csv")


def test_decimal_commas_are_named(tmp_path):
    table(list(CLASSES)).to_csv(tmp_path / "t.csv", index=False, sep=";", decimal=",")
    assert "which has a decimal comma: write 0.5, not 0,5" in refusal(tmp_path / "t.csv")
    table(list(CLASSES), ids=False).to_csv(tmp_path / "t.csv", index=False, sep=",", decimal=",", quoting=3, escapechar="\\")
    assert "t.csv" in refusal(tmp_path / "t.csv")


def test_ids_in_the_index(tmp_path):
    made = table(list(CLASSES)).set_index("Id")
    for name in ("Id", None):
        made.index.name = name
        made.to_csv(tmp_path / "t.csv")
        made.to_parquet(tmp_path / "t.parquet")
        check_read(tmp_path / "t.csv")
        check_read(tmp_path / "t.parquet")
    made.index = pd.Index([*IDS[:-1], "stranger"])
    made.to_csv(tmp_path / "t.csv")
    assert "has the column '', which is not a class, and no ids: call it Id" in refusal(tmp_path / "t.csv")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary()])
def test_ids_of_any_parquet_type_of_text(tmp_path, kind):
    ids = pa.array([name.encode() for name in IDS], kind) if kind == pa.binary() else pa.array(IDS).cast(kind)
    pq.write_table(pa.table([ids, *VALUES.T], names=["Id", *CLASSES]), tmp_path / "t.parquet")
    check_read(tmp_path / "t.parquet")


def test_whole_numbers_as_ids_of_a_parquet_file(tmp_path):
    order = [2, 0, 1]
    pq.write_table(pa.table([order, *VALUES[order].T], names=["id", *CLASSES]), tmp_path / "t.parquet")
    provenance = Provenance(competition="tiny", model="m", kind="imported", classes=CLASSES, data="d", declared="oof")
    found = ImportedTable(tmp_path / "t.parquet", "train", None, False).read(("0", "1", "2"), COMPETITION, provenance)
    np.testing.assert_allclose(found.logits, logit(VALUES[:3]), atol=1e-5)
    pd.DataFrame(VALUES[order], columns=CLASSES, index=[*range(3)]).to_csv(tmp_path / "t.csv")
    with pytest.raises(PredictionError, match="call it Id if it holds the ids of the rows, else remove it"):  # row numbers or ids?
        ImportedTable(tmp_path / "t.csv", "train", None, False).read(("2", "0", "1"), COMPETITION, provenance)


def test_ids_in_another_unicode_form(path):
    made = table(list(CLASSES))
    made["Id"] = [unicodedata.normalize("NFD", name) for name in made["Id"]]
    assert list(made["Id"]) != list(IDS[::-1])
    check_read(saved(path, made))


def test_ids_under_another_name_are_pointed_out(path):
    assert "has the ids in the column 'ImageId': call it Id" in refusal(saved(path, table(list(CLASSES)).rename(columns={"Id": "ImageId"})))


def test_a_csv_with_ids_and_no_header_is_refused(tmp_path):
    table(list(CLASSES)).to_csv(tmp_path / "t.csv", index=False, header=False)
    assert "has no header, and its first column holds no numbers: give it a first line with Id and" in refusal(tmp_path / "t.csv")


def test_values_a_hair_outside_are_clipped_and_shown_in_full(path, capsys):
    made = table(list(CLASSES))
    made.iloc[-4, 2], made.iloc[-3, 1] = 1.0000001, -1e-7
    wanted = VALUES.copy()
    wanted[3, 1], wanted[2, 0] = 1, 0
    check_read(saved(path, made), wanted)
    assert "holds 1.0000001 for id 1e5, class 'Cytosol' (2 such values): clipped to [0, 1]" in capsys.readouterr().out
    made.iloc[-3, 1] = 1.00001
    assert "holds 1.00001 for id 007, class 'Nuclear membrane': give probabilities" in refusal(saved(path, made))


def test_probabilities_are_not_taken_for_logits_nor_logits_or_percent_for_probabilities(path):
    made = table(list(CLASSES))
    error = refusal(saved(path, made), logits=True)
    assert "was given as logits, but every value lies in [0, 1], as probabilities do: leave out --logits (make: LOGITS=1)" in error
    made[list(CLASSES)] = logit(VALUES[::-1])
    saved(path, made)
    check_read(path, logits=True)
    assert "or say that these are logits with --logits (make: LOGITS=1)" in refusal(path)
    made[list(CLASSES)] = 100 * VALUES
    assert "divide percent by 100" in refusal(saved(path, made))


def test_constant_columns_are_fine_and_decisions_are_not(path):
    made = table(list(CLASSES))
    made["Rods"] = 0.0
    check_read(saved(path, made), VALUES * [1, 1, 0])
    made[list(CLASSES)] = (VALUES > 0.5).astype(int)
    for logits in (False, True):
        assert "holds decisions, only 0 and 1" in refusal(saved(path, made), logits=logits)


def test_cells_that_are_no_numbers_are_named(path):
    made = table(list(CLASSES)).astype({"Rods": object})
    made.iloc[2, 3] = "high"
    made["Rods"] = made["Rods"].astype(str)
    assert "column 'Rods': 'high' is not a number" in refusal(saved(path, made))
    made.iloc[2, 3] = ""
    assert "holds nan for id" in refusal(saved(path, made))


def npy_header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy_header((10**12, 3)), "cannot be read"),
        (npy_header((10**30, 3)), "cannot be read"),
        (npy_header((-1, 3)), "t.npy"),
        (b"\x93NUMPY\x01\x00\x05\x00{'a':", "cannot be read"),
        (b"", "it is empty"),
        (b"0.1,0.2,0.3\n", "it is no .npy file"),
    ],
)
def test_arrays_that_are_damaged_or_promise_more_than_they_hold(tmp_path, content, message):
    (tmp_path / "t.npy").write_bytes(content)
    assert message in refusal(tmp_path / "t.npy")


def test_a_sparse_file_of_a_terabyte_is_refused_by_its_shape(tmp_path):
    with (tmp_path / "t.npy").open("wb") as file:
        header = npy_header((10**12 // 24, 3))
        file.write(header)
        try:
            file.truncate(len(header) + 10**12 // 24 * 24)
        except OSError:
            pytest.skip("this file system has no sparse files of that size")
    assert f"has {10**12 // 24} rows, train.csv {len(IDS)} ids" in refusal(tmp_path / "t.npy")


@pytest.mark.parametrize(
    "made",
    [
        VALUES.astype(object), VALUES.astype(complex), VALUES.astype(str),
        np.zeros(8, [("a", "f8"), ("b", "f8"), ("c", "f8")]), VALUES.astype("datetime64[s]"),
    ],
)  # fmt: skip
def test_arrays_of_other_types_are_refused(tmp_path, made):
    np.save(tmp_path / "t.npy", made, allow_pickle=True)
    assert "cannot be read" in refusal(tmp_path / "t.npy")


@pytest.mark.parametrize("name", ["t.npy", "t.csv", "t.parquet"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, name):
    path = tmp_path / name
    assert "there is no" in refusal(path)
    path.mkdir()
    assert "is a folder" in refusal(path)
    path.rmdir()
    os.mkfifo(path)
    assert "is not a regular file" in refusal(path)
    path.unlink()
    path.symlink_to(path)
    assert "cannot be read" in refusal(path)
    path.unlink()
    path.write_bytes(b"\x00\xff\xfe broken")
    assert "cannot be read" in refusal(path)
    long = tmp_path / ("x" * 300 + name)
    assert "cannot be read (File name too long)" in refusal(long)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.zip", "t.txt"])
def test_other_endings_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    error = refusal(tmp_path / name)
    assert ("is compressed" in error and "unpack it first" in error) == (name != "t.txt")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("header", ["", "id", "Id", "Id,Target", "id;more"])
def test_id_files(tmp_path, start, end, header):
    np.save(tmp_path / "t.npy", VALUES[::-1])
    more = header[2:3] + "x" if len(header) > 2 else ""
    text = end.join([header, *(f"{name}{more}" for name in IDS[::-1])] if header else IDS[::-1]) + end
    (tmp_path / "ids.txt").write_bytes(start + text.encode())
    check_read(tmp_path / "t.npy", id_file=tmp_path / "ids.txt")


def test_id_files_that_are_none(tmp_path):
    np.save(tmp_path / "t.npy", VALUES)
    path = tmp_path / "ids.txt"
    for content, message in ((b"", "holds no ids"), (b"\xff\xfea\0", "cannot be read as text"), (b"id\nr1\nr1\n", "appears twice")):
        path.write_bytes(content)
        with pytest.raises(PredictionError, match=message):
            read(tmp_path / "t.npy", id_file=path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(PredictionError, match="not a regular file"):
        read(tmp_path / "t.npy", id_file=path)


@pytest.mark.parametrize("stranger", ["../../x", "a\nb", "x" * 5000, " ", "\x1b[31m", "", "a,b"])
def test_hostile_ids_are_one_short_line(path, stranger):
    made = table(list(CLASSES))
    made.iloc[2, 0] = stranger
    assert len(refusal(saved(path, made))) < 700
    made.iloc[2, 2] = 7.0
    assert len(refusal(saved(path, made))) < 700
