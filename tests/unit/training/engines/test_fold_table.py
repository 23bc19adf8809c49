"""The table of folds: on a terminal, in a log, and of more folds than there are lines."""

from pathlib import Path

import pytest

from comp.training.curve import Curve
from comp.training.engines.fold_table import FINISHED, RUNNING, FoldState, FoldTable, clock, ordinal

ROW = {"step": 6, "images": 48, "learning_rate": 0.1, "training_loss": 0.25, "validation_seconds": 2.0}


def running(path: Path, number: int = 0) -> FoldState:
    fold = FoldState(f"net fold {number}", 10, path / f"{number}.csv")
    fold.state, fold.node = RUNNING, "gpu-01"
    return fold


def test_a_running_fold_shows_epoch_loss_and_time_left_of_its_own_curve(tmp_path: Path) -> None:
    Curve(tmp_path / "0.csv", 0).add({**ROW, "epoch": 9, "seconds": 1000.0})
    fold = running(tmp_path)
    assert fold.progress() == ("", "", "")  # the curve is of an earlier run
    curve = Curve(tmp_path / "0.csv", 0)
    assert fold.progress() == ("1/10", "", "")
    curve.add({**ROW, "epoch": 2, "seconds": 28.0})
    assert fold.progress() == ("2/10", "0.2500", "2:00")  # 15 s an epoch, 8 epochs
    lines = FoldTable([fold]).lines(80, 24)
    assert [line.split() for line in lines] == [
        ["fold", "state", "node", "epoch", "loss", "left"],
        ["net", "fold", "0", "running", "gpu-01", "2/10", "0.2500", "2:00"],
    ]


def test_a_later_attempt_says_where_it_goes_on(tmp_path: Path) -> None:
    fold = running(tmp_path)
    fold.attempt, fold.resumed, fold.detail = 2, "from epoch 3", "fetching 0.1 of 2.0 GB"
    assert fold.shown == "running, 2nd attempt, from epoch 3, fetching 0.1 of 2.0 GB"
    fold.state = FINISHED
    assert fold.shown == "finished"


def test_a_table_fits_the_terminal_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    folds = [running(tmp_path, number) for number in range(30)]
    for fold in folds[:20]:
        fold.state = FINISHED
    lines = FoldTable(folds).lines(20, 16)
    assert len(lines) < 16
    assert max(map(len, lines)) < 20
    assert sum("net fold 2" in line for line in lines) == 10
    assert lines[-1] == "and 18 finished"


def test_a_log_has_a_line_for_each_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fold = FoldState("net fold 0", 10, tmp_path / "0.csv")
    table = FoldTable([fold])
    table.show()
    fold.state, fold.node = RUNNING, "gpu-01"
    table.show()
    table.show()
    fold.state = FINISHED
    table.show()
    assert capsys.readouterr().out == "net fold 0: running on gpu-01\nnet fold 0: finished\n"


def test_words() -> None:
    assert [ordinal(number) for number in (1, 2, 3, 4)] == ["1st", "2nd", "3rd", "4th"]
    assert [clock(seconds) for seconds in (0, 4.2, 60, 3723)] == ["0:00", "0:05", "1:00", "1:02:03"]
