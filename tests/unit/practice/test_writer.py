"""The competition on disk: layout, bytes, interruptions."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.errors import CompError, DataError
from comp.files import lock
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


def process(tmp_path: Path, folder: Path, spec: PracticeSpec, workers: int) -> subprocess.Popen[bytes]:
    script = tmp_path / "draw_it.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script), str(folder), spec.model_dump_json(), str(workers)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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
    for part, ids in (("train", train["Id"]), ("test", sample["Id"])):
        names = {f"{id}_{channel}.png" for id in ids for channel in ("red", "green", "blue", "yellow")}
        assert {path.name for path in (drawn / part).iterdir()} == names
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


def test_sealed_labels_are_apart(drawn: Path) -> None:
    sealed = pd.read_csv(drawn / "sealed" / "labels.csv")
    assert list(sealed.columns) == ["Id", "Target", "Part"]
    assert list(sealed["Id"]) == list(pd.read_csv(drawn / "sample_submission.csv")["Id"])
    assert sealed["Part"].value_counts().to_dict() == {"unshifted": 10, "private": 9, "public": 3}
    antibodies = pd.read_csv(drawn / "antibodies.csv")
    assert list(antibodies.columns) == ["Id", "antibody", "well"]
    assert list(antibodies["Id"]) == list(pd.read_csv(drawn / "train.csv")["Id"])
    table = draw_tables(SPEC).set_index("id")
    assert (table.loc[sealed["Id"], "target"].to_numpy() == sealed["Target"].astype(str)).all()


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
    kept, cut, *_ = sorted(folder.glob("*/*_red.png"))
    when = kept.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:40])
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


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="holds files that are not the practice competition's"):
        write(tmp_path, SPEC, 1)
    assert contents(tmp_path).keys() == {"thesis.txt"}


def test_two_at_a_time_is_refused(tmp_path: Path) -> None:
    with lock(tmp_path / ".data.lock", "drawing the practice competition"), pytest.raises(CompError, match="is held by drawing"):
        write(tmp_path / "data", SPEC, 1)
    assert not (tmp_path / "data").exists()
