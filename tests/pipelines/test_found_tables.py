"""`make competition` on tables in many forms: ids and labels are read again from its YAML as the table means them."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.competition.tables import read_groups, read_test_ids, read_train
from tests.conftest import REPOSITORY, Project

TEST = "Id,Predicted\nt1,0\nt2,0\n"
NAMES = ("a1", "b2", "c3")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/competitions").symlink_to(REPOSITORY / "configs/competitions")
    return Project(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


def write(folder: Path, **tables: str | bytes) -> None:
    for name, content in tables.items():
        (folder / f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)


def understood(project: Project, folder: Path) -> str:
    ended = project.call("competition", "--competition", "found", "--data", str(folder))
    assert ended.returncode == 0, ended.stderr
    return "\n".join(" ".join(line.split()) for line in ended.stdout.splitlines())


def refusal(project: Project, folder: Path) -> str:
    return project.refused(project.call("competition", "--competition", "found", "--data", str(folder)))


def read_again(project: Project) -> tuple[dict[str, set[str]], tuple[str, ...]]:
    """The names of the classes of each train id, and the test ids, as the YAML says."""
    found, paths = load_competition("found", project.root), Paths("found", project.root)
    ids, labels = read_train(found, paths)
    strings = found.labels.strings(labels)
    np.testing.assert_array_equal(found.labels.multi_hot(strings, ids, "written and read again"), labels)
    return {name: {found.classes[k] for k in np.flatnonzero(row)} for name, row in zip(ids, labels, strict=True)}, read_test_ids(
        found, paths
    )


WORDS = {"a1": {"red", "blue"}, "b2": {"red"}, "c3": set[str]()}
TEST_IDS = ("t1", "t2")


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("Id,Target\na1,red blue\nb2,red\nc3,\n", TEST, "train 3 rows in train.csv (Id, Target)"),
        ("Id;Target\na1;red blue\nb2;red\nc3;\n", TEST.replace(",", ";"), "train 3 rows in train.csv (Id, Target), separated by ';'"),
        ("Id\tTarget\na1\tred blue\nb2\tred\nc3\t\n", TEST, "train 3 rows in train.csv (Id, Target), separated by tab"),
        ("Id|Target\na1|red blue\nb2|red\nc3|\n", TEST, "separated by '|'"),
        ("Id;Target\na1;red,blue\nb2;red\nc3;\n", TEST, "one string an id, ',' between them"),
        ("\ufeffId,Target\r\na1,red blue\r\nb2,red\r\nc3,\r\n\r\n", TEST, "one row a1: red, blue"),
        ("Id,Target\na1,red|blue\nb2,red\nc3,\n", TEST, "labels as one string an id, '|' between them"),
        ("Id,Target\na1,red;blue\nb2,red\nc3,\n", TEST, "labels as one string an id, ';' between them"),
        ('Id,Target\na1,"red,blue"\nb2,red\nc3,\n', TEST, "labels as one string an id, ',' between them"),
        ('Id,Target\na1,"red, blue"\nb2," red"\nc3,\n', TEST, "labels as one string an id, ',' between them"),
        ("Id,red,blue\na1,1,1\nb2,1,0\nc3,0,0\n", "Id,red,blue\nt1,0,0\nt2,0,0\n", "labels as a column of 0 and 1 for each class"),
        ("Id,red,blue,width\na1,1.0,1.0,7\nb2,1.0,0.0,8\nc3,0.0,0.0,9\n", TEST, "not used width of train.csv"),
        ("Id,red,blue,male\na1,1,1,0\nb2,1,0,1\nc3,0,0,1\n", "Id,red,blue\nt1,0.5,0\nt2,0.5,0\n", "not used male of train.csv"),
        ("Id,Target\na1,red\na1,blue\nb2,red\nc3,\n", TEST, "labels as a row for each label"),
        (
            "ID,Label\na1_red,1\na1_blue,1\nb2_red,1\nb2_blue,0\nc3_red,0\nc3_blue,0\n",
            "ID,Label\nt1_red,0.5\nt1_blue,0.5\nt2_red,0.5\nt2_blue,0.5\n",
            "labels as a row id_class with 0 or 1 for each class",
        ),
        (",Id,Target\n0,a1,red blue\n1,b2,red\n2,c3,\n", TEST, "one row a1: red, blue"),
    ],
)
def test_labels_are_read_in_every_form(project: Project, folder: Path, train: str, test: str, said: str) -> None:
    write(folder, train=train, sample_submission=test)
    assert said in understood(project, folder)
    assert read_again(project) == (WORDS, TEST_IDS)
    assert project.call("data", "--competition", "found").returncode == 0


def test_names_with_spaces(project: Project, folder: Path) -> None:
    wanted = {"a1": {"Golgi apparatus", "Cytosol"}, "b2": {"Cytosol"}}
    for train in ("Id,Target\na1,Golgi apparatus|Cytosol\nb2,Cytosol\n", "Id,Golgi apparatus,Cytosol\na1,1,1\nb2,0,1\n"):
        write(folder, train=train, sample_submission=TEST)
        assert "one row a1: " in understood(project, folder)
        assert read_again(project)[0] == wanted


def test_a_class_without_an_image_is_kept_if_the_table_names_it(project: Project, folder: Path) -> None:
    write(folder, train="ID,Label\na_any,0\na_sub,1\nb_any,0\nb_sub,0\n", sample_submission="ID,Label\nt_any,0\nt_sub,0\n")
    understood(project, folder)
    assert load_competition("found", project.root).classes == ("any", "sub")
    assert read_again(project) == ({"a": {"sub"}, "b": set()}, ("t",))
    write(folder, train="Id,any,sub\na,0,1\nb,0,0\n", sample_submission=TEST)
    understood(project, folder)
    assert load_competition("found", project.root).classes == ("any", "sub")


def test_numbers_with_bars_keep_the_classes_of_hpa(project: Project, folder: Path) -> None:
    others = "|".join(str(number) for number in range(28) if number not in (0, 16, 25))
    write(folder, train=f"Id,Target\na1,16|0\nb2,25\nc3,{others}\n", sample_submission=TEST)
    assert "labels 28 of hpa's 28 occur" in understood(project, folder)
    found = read_again(project)[0]
    assert (found["a1"], found["b2"], len(found["c3"])) == ({"Cytokinetic bridge", "Nucleoplasm"}, {"Cytosol"}, 25)


def test_numbers_without_an_image_are_said_and_can_be_taken_out(project: Project, folder: Path) -> None:
    write(folder, train="Id,Target\na1,1 3\nb2,2\nc3,3\n", sample_submission=TEST)
    said = understood(project, folder)
    assert "note no image has class 0; a class without a hit counts as F1 0 in every score: take out of `classes` in the YAML" in said
    before = read_again(project)
    path = project.root / "configs/local/found.yaml"
    kept = path.read_text().split("classes:")[0]
    path.write_text(f"{kept}classes: [1, 2, 3]\ntokens: [1, 2, 3]\n")
    assert load_competition("found", project.root).classes == ("1", "2", "3")
    assert read_again(project) == before
    for train in ("Id,Target\na1,0 1\nb2,2\n", "Id,Target\na1,a\nb2,b\n", "Id,a,b\na1,1,0\nb2,0,0\n"):
        write(folder, train=train)
        assert "no image has class" not in understood(project, folder)


@pytest.mark.parametrize(
    ("channels", "least", "hpa"),
    [
        ((), 0, True),  # all 28 numbers, without images
        ((), 1, False),  # number 0 is missing
        ((), 14, False),
        (("red", "green", "blue", "yellow"), 1, True),
        (("red", "green", "blue", "yellow"), 14, True),
        (("red", "green"), 1, False),
        (("red", "green"), 0, False),
    ],
)
def test_numbers_are_hpas_with_its_channels_or_if_all_occur(
    project: Project, folder: Path, channels: tuple[str, ...], least: int, hpa: bool
) -> None:
    write(folder, train="Id,Target\n" + "".join(f"a{number},{number}\n" for number in range(least, 28)), sample_submission=TEST)
    for name in (*(f"a{number}" for number in range(least, 28)), "t1", "t2"):
        for channel in channels:
            split = folder / ("test" if name in TEST_IDS else "train")
            split.mkdir(exist_ok=True)
            cv2.imwrite(str(split / f"{name}_{channel}.png"), np.full((8, 8), 9, np.uint8))
    said = understood(project, folder)
    owner = "hpa's " if hpa else ""
    assert f"labels {28 - least} of {owner}28 occur" in said
    names = load_competition("hpa", project.root).classes if hpa else tuple(str(number) for number in range(28))
    assert load_competition("found", project.root).classes == names


def test_a_submission_of_another_form_is_said(project: Project, folder: Path) -> None:
    write(folder, train="Id,red,blue\na1,1,1\nb2,1,0\n", sample_submission="Id,red,blue\nt1,0,0\n")
    assert "submit as Id,Predicted: labels of an id with ' ' between them; compare that with Kaggle's" in understood(project, folder)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("train_labels", "sample_submission"),
        ("stage_1_train", "stage_1_sample_submission"),
        ("train_v2", "SampleSubmission"),
        ("labels", "test"),
        ("TRAIN", "Test"),
    ],
)
def test_names_of_tables(project: Project, folder: Path, train: str, test: str) -> None:
    write(folder, **{train: "Id,Target\na1,red blue\nb2,red\nc3,\n", test: "Id,width\nt1,7\nt2,8\n" if test.lower() == "test" else TEST})
    (folder / f"._{train}.csv").write_bytes(b"\0\5\x16\7")
    assert f"train 3 rows in {train}.csv" in understood(project, folder)
    assert read_again(project) == (WORDS, TEST_IDS)


GROUPED = "Id,Target{}\na1,red{}\nb2,blue{}\nc3,red{}\n"


@pytest.mark.parametrize(
    ("train", "other", "said", "groups"),
    [
        (("", "", "", ""), "Id,fold,source\na1,0,x\nb2,1,x\nc3,1,y\n", "groups none found", None),
        (("", "", "", ""), "Id,fold,source\na1,0,x\nb2,1,x\nc3,1,y\n", "not used fold of other.csv, source of other.csv", None),
        (("", "", "", ""), "Id,fold,plate\na1,0,x\nb2,1,x\nc3,1,y\n", "groups 2 by plate in other.csv", ("x", "x", "y")),
        ((",split", ",1", ",1", ",2"), "x,y\n", "not used split of train.csv", None),
        ((",PatientID", ",1", ",1", ",2"), "x,y\n", "groups 2 by PatientID in train.csv", ("1", "1", "2")),
        ((",donor_no", ",1", ",1", ",2"), "x,y\n", "groups 2 by donor_no in train.csv", ("1", "1", "2")),
        ((",template", ",1", ",1", ",2"), "x,y\n", "not used template of train.csv", None),
    ],
)
def test_only_columns_that_are_groups_by_name(
    project: Project, folder: Path, train: tuple[str, ...], other: str, said: str, groups: tuple[str, ...] | None
) -> None:
    write(folder, train=GROUPED.format(*train), sample_submission=TEST, other=other)
    assert said in understood(project, folder)
    found = load_competition("found", project.root)
    assert read_groups(found, Paths("found", project.root), NAMES) == groups


def test_other_tables_that_cannot_be_read_are_no_reason_to_stop(project: Project, folder: Path) -> None:
    write(folder, train=GROUPED.format("", "", "", ""), sample_submission=TEST, notes="Id,é\n".encode("latin-1"))
    (folder / "more.csv").mkdir()
    assert "not used more.csv (cannot be read (it is a folder)), notes.csv (is not UTF-8" in understood(project, folder)


GOOD = "Id,Target\na1,red\nb2,blue\n"


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("Id,Target\na1,\nb2,\n", "train.csv has no label in any of its 2 rows"),
        ("Id,Target\na1,red\nb2,nan\n", "train.csv: id b2 has the label 'nan': leave the cell empty"),
        ("Id,Target\na1,red\nb2,NA\n", "id b2 has the label 'NA'"),
        ("Id,Target\na1,red\nb2,null\n", "id b2 has the label 'null'"),
        ("Id,Target\na1,red\nb2,None\n", "id b2 has the label 'None'"),
        ("Id,Target\na1,a|b\nb2,a;b\n", "labels with '|' (id a1) and ';' (id b2) between them: use one separator"),
        ("Id,Target\na1,\"['a', 'b']\"\nb2,\n", "id a1 has labels in brackets"),
        ("Id,Target\na1 ,red\nb2,blue\n", "id 'a1 ' in row 2 ends with a space"),
        ("Id,Target\n a1,red\nb2,blue\n", "id ' a1' in row 2 begins with a space"),
        ("Id,Target\n../a1,red\nb2,blue\n", "id '../a1' in row 2 has a part '..'"),
        ("Id,Target\na1,red\nx/../../b2,blue\n", "id 'x/../../b2' in row 3 has a part '..'"),
        ("Id,Target\n/etc/a1,red\nb2,blue\n", "id '/etc/a1' in row 2 is an absolute path"),
        ("Id,Target\nC:\\a1,red\nb2,blue\n", "is an absolute path"),
        ("Id,Target\na//1,red\nb2,blue\n", "an empty part"),
        ('Id,Target\n"a\n1",red\nb2,blue\n', "id 'a\\n1' in row 2 holds a control character"),
        ("Id,Target\na\x1b[31m1,red\nb2,blue\n", "holds a control character"),
        (f"Id,Target\n{'a' * 256},red\nb2,blue\n", "... (258 characters) in row 2 is longer than 255 bytes"),
        ("Id,Target\n,red\nb2,blue\n", "row 2 has no id"),
        ("Id,Target\n\u00e91,red\ne\u03011,blue\n", "is there in two Unicode forms"),
        ("Id,Target\na1,red\na1,red\nb2,blue\n", "id a1 appears twice"),
        ("Id,Target\na1,red green\na1,blue\nb2,blue\n", "id a1 appears twice"),
        ("Id,Target\na1,red,blue\nb2,blue\n", "row 2 has 3 fields, the header 2"),
        ("Id,Target\na1,red\nb2\n", "row 3 has 1 fields, the header 2"),
        ("Id,Target,Target\na1,red,red\nb2,red,red\n", "has two columns 'Target'"),
        ('Id,Target\na1,"red\nb2,blue\n', "cannot be read as CSV (line 3: unexpected end of data)"),
        (f"Id,Target\na1,{'x' * 10_000_000}\nb2,blue\n", "a field of more than 131,072 characters"),
        (f"Id,Target\na1,{'x' * 1000}\nb2,nan\n", "id b2 has the label 'nan'"),
        (b"\0" * 1000, "train.csv holds NUL bytes"),
        (GOOD.encode("utf-16"), "train.csv is UTF-16, not text in UTF-8: save it as CSV in UTF-8"),
        (GOOD.replace("red", "rosé").encode("latin-1"), "train.csv is not UTF-8 (byte 0xe9 in line 2): it may be Latin-1"),
        ("", "train.csv cannot be read as CSV (it is empty)"),
        ("Id,x,y\na1,red,7\nb2,blue,8\n", "train.csv has the columns x, y"),
        ("Id,red,blue\na1,1,0.5\nb2,0,1\n", "train.csv has the columns red, blue"),
    ],
)
def test_bad_train_tables_give_one_line(project: Project, folder: Path, train: str | bytes, said: str) -> None:
    write(folder, train=train, sample_submission=TEST)
    line = refusal(project, folder)
    assert said in line
    assert len(line) < 600
    assert not (project.root / "configs/local").exists()


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "nowhere"])
@pytest.mark.parametrize("name", ["train", "sample_submission"])
def test_something_else_in_place_of_a_table_gives_one_line(project: Project, folder: Path, name: str, kind: str) -> None:
    write(folder, train=GOOD, sample_submission=TEST)
    path = folder / f"{name}.csv"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(path if kind == "loop" else "missing")
    assert f"{name}.csv cannot be read (" in refusal(project, folder)


@pytest.mark.parametrize(
    ("rows", "said"),
    [("t1 ,0\n", "ends with a space"), ("../../t1,0\n", "has a part '..'"), ("t1,0\nt1,0\n", "id t1 appears twice")],
)
def test_bad_test_ids_give_one_line(project: Project, folder: Path, rows: str, said: str) -> None:
    write(folder, train=GOOD, sample_submission=f"Id,Predicted\n{rows}")
    line = refusal(project, folder)
    assert "sample_submission.csv" in line
    assert said in line


def test_two_tables_that_might_be_meant_are_named(project: Project, folder: Path) -> None:
    write(folder, train_a=GOOD, train_b=GOOD, sample_submission=TEST)
    assert "has train_a.csv and train_b.csv: rename the one to be used" in refusal(project, folder)


def test_a_table_that_changed_is_refused_later(project: Project, folder: Path) -> None:
    write(folder, train=GOOD, sample_submission=TEST)
    understood(project, folder)
    for train, said in (
        ("Id,Target\na1,\nb2,\n", "no train image of found has a label in"),
        ("Id,Target\n../a1,red\nb2,blue\n", "has a part '..'"),
        (f"Id,Target\na1,{'y' * 300}\nb2,blue\n", "... (300 characters)' of id a1"),
    ):
        write(folder, train=train)
        assert said in project.refused(project.call("data", "--competition", "found"))


def test_names_of_300_characters(project: Project, folder: Path) -> None:
    write(folder, train=GOOD, sample_submission=TEST)
    line = project.refused(project.call("competition", "--competition", "x" * 300, "--data", str(folder)))
    assert "is not a name for a competition: use at most 100 letters" in line


def test_binary_labels_of_images_with_an_underscore_are_no_classes(project: Project, folder: Path) -> None:
    names = [f"{plate}_{well}" for plate in ("p1", "p2") for well in ("A01", "A02")]
    write(folder, train="Id,Target\n" + "".join(f"{name},{row % 2}\n" for row, name in enumerate(names)), sample_submission=TEST)
    (folder / "train").mkdir()
    for name in names:
        cv2.imwrite(str(folder / "train" / f"{name}.png"), np.full((16, 16), 9, np.uint8))
    understood(project, folder)
    assert read_again(project)[0] == {name: {str(row % 2)} for row, name in enumerate(names)}
