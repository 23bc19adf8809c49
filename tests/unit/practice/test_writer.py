"""The competition on disk: layout, bytes, interruptions."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.base.errors import DataError
from comp.base.locks import lock
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import write

SPEC = PracticeSpec(train=40, test=12, unshifted=10, size=32, seed=5, groups_per_class=1)
PROGRAM = """
import sys
from pathlib import Path
from comp.practice.tables import PracticeSpec
from comp.practice.writer import write

if __name__ == "__main__":
    write(Path(sys.argv[1]), PracticeSpec.model_validate_json(sys.argv[2]), int(sys.argv[3]))
"""


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def process(tmp_path: Path, folder: Path, spec: PracticeSpec, workers: int, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    script = tmp_path / "draw_it.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script), str(folder), spec.model_dump_json(), str(workers)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("practice") / "data"
    write(folder, SPEC, 1)
    return folder


def test_kaggle_layout(drawn: Path) -> None:
    train = pd.read_csv(drawn / "train.csv")
    sample = pd.read_csv(drawn / "sample_submission.csv")
    assert list(train.columns) == ["Id", "Target"]
    assert list(sample.columns) == ["Id", "Predicted"]
    assert (len(train), len(sample)) == (40, 22)
    assert (sample["Predicted"].astype(str) == "0").all()
    for split, ids in (("train", train["Id"]), ("test", sample["Id"])):
        names = {f"{id}_{channel}.png" for id in ids for channel in ("red", "green", "blue", "yellow")}
        assert {path.name for path in (drawn / split).iterdir()} == names
        assert ids.is_monotonic_increasing
    picture = cv2.imread(str(drawn / "train" / f"{train['Id'][0]}_blue.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (32, 32)
    assert picture.dtype == np.uint8


def test_masks_are_16_bit_instances(drawn: Path) -> None:
    ids = [*pd.read_csv(drawn / "train.csv")["Id"], *pd.read_csv(drawn / "sample_submission.csv")["Id"]]
    assert {path.name for path in (drawn / "masks").iterdir()} == {f"{id}_{kind}.png" for id in ids for kind in ("nuclei", "cells")}
    nuclei, cells = (cv2.imread(str(drawn / "masks" / f"{ids[0]}_{kind}.png"), cv2.IMREAD_UNCHANGED) for kind in ("nuclei", "cells"))
    assert nuclei.dtype == cells.dtype == np.uint16
    assert (nuclei[nuclei > 0] == cells[nuclei > 0]).all()


def test_hidden_labels_are_in_a_folder_of_their_own(drawn: Path) -> None:
    hidden = pd.read_csv(drawn / "hidden" / "labels.csv")
    assert list(hidden.columns) == ["Id", "Target", "Usage"]
    assert list(hidden["Id"]) == list(pd.read_csv(drawn / "sample_submission.csv")["Id"])
    assert hidden["Usage"].value_counts().to_dict() == {"unshifted": 10, "private": 9, "public": 3}
    antibodies = pd.read_csv(drawn / "antibodies.csv")
    assert list(antibodies.columns) == ["Id", "antibody", "well"]
    assert list(antibodies["Id"]) == list(pd.read_csv(drawn / "train.csv")["Id"])
    table = draw_tables(SPEC).set_index("id")
    assert (table.loc[hidden["Id"], "target"].to_numpy() == hidden["Target"].astype(str)).all()


def test_second_call_does_nothing(drawn: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    write(drawn, SPEC, 1)
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_two_processes_and_two_workers_give_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    assert process(tmp_path, tmp_path / "again", SPEC, 2).wait(120) == 0
    assert contents(tmp_path / "again") == contents(drawn)


def test_killed_and_started_again_gives_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    running = process(tmp_path, folder, SPEC, 1)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("masks/*.png"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (folder / "complete.json").exists()
    kept, incomplete, *_ = sorted(folder.glob("*/*_red.png"))
    when = kept.stat().st_mtime_ns
    incomplete.write_bytes(incomplete.read_bytes()[:40])
    write(folder, SPEC, 1)
    assert contents(folder) == contents(drawn)
    assert kept.stat().st_mtime_ns == when


def test_another_spec_replaces_the_old(tmp_path: Path) -> None:
    small = PracticeSpec(train=40, test=2, unshifted=2, size=32, groups_per_class=1)
    write(tmp_path / "data", small, 1)
    before = contents(tmp_path / "data")
    write(tmp_path / "data", small.model_copy(update={"seed": 1}), 1)
    after = contents(tmp_path / "data")
    assert len(after) == len(before)
    assert not {name for name in before if name.startswith(("train/", "test/", "masks/"))} & set(after)
    assert json.loads((tmp_path / "data" / "complete.json").read_text())["spec"]["seed"] == 1


def damaged(path: Path, damage: bytes | None) -> None:
    """None makes a pipe."""
    path.unlink(missing_ok=True)
    if damage is None:
        os.mkfifo(path)
    else:
        path.write_bytes(damage)


@pytest.mark.parametrize(("name", "damage"), [("complete.json", b"{"), ("drawing.json", None)])
def test_with_a_damaged_stamp_all_is_drawn_again(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: bytes | None
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(drawn, folder)
    (folder / "complete.json").unlink()
    damaged(folder / name, damage)
    next(folder.glob("train/*_red.png")).write_bytes(b"other pixels" + b"\x00\x00\x00\x00IEND\xaeB`\x82")
    write(folder, SPEC, 1)
    assert contents(folder) == contents(drawn)
    line = f"{folder}/complete.json is damaged or missing, so the practice competition is drawn again\n"
    assert capsys.readouterr().out.startswith(line)


@pytest.mark.parametrize("name", ["complete.json", "drawing.json"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'"hash"', b'{"spec": 1}', b"\xff\0", b"[" * 5000, None])
def test_a_damaged_stamp_beside_other_files_removes_nothing(drawn: Path, tmp_path: Path, name: str, damage: bytes | None) -> None:
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    (tmp_path / "complete.json").unlink()
    (tmp_path / "thesis.txt").write_text("years of work")
    damaged(tmp_path / name, damage)
    with pytest.raises(DataError, match="holds files that are not the practice competition's"):
        write(tmp_path, SPEC, 1)
    assert contents(tmp_path).keys() >= contents(drawn).keys() - {"complete.json"} | {"thesis.txt"}


def test_tables_of_the_same_names_are_left_alone(tmp_path: Path) -> None:
    for name in ("train.csv", "complete.json"):
        (tmp_path / name).write_text("years of work")
    with pytest.raises(DataError, match="holds files that are not the practice competition's"):
        write(tmp_path, SPEC, 1)
    assert contents(tmp_path).keys() == {"train.csv", "complete.json"}


def test_a_pipe_in_place_of_an_image_is_replaced(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    damaged(next(tmp_path.glob("test/*_blue.png")), None)
    write(tmp_path, SPEC, 1)
    assert contents(tmp_path) == contents(drawn)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="holds files that are not the practice competition's"):
        write(tmp_path, SPEC, 1)
    assert contents(tmp_path).keys() == {"thesis.txt"}


def test_the_second_process_waits_and_finds_the_images_drawn(drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with lock(tmp_path / ".data.lock", "drawing the practice competition"):
        waiting = process(tmp_path, folder, SPEC, 1, subprocess.PIPE)
        line = waiting.stdout.readline()
        assert line == f"waiting for drawing the practice competition (process {os.getpid()}), which holds {tmp_path}/.data.lock\n".encode()
        assert not folder.exists()
        shutil.copytree(drawn, folder)
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert waiting.communicate(timeout=60)[0] == b""
    assert waiting.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
