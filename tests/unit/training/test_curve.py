import pytest

from comp.base.errors import DataError
from comp.training.curve import COLUMNS, Curve, read_curve, validation_seconds


def row(step, **more):
    return {
        "epoch": step,
        "step": step,
        "images": 8 * step,
        "seconds": 0.5 * step,
        "learning_rate": 1e-3,
        "training_loss": 1 / step,
        **more,
    }


@pytest.fixture
def path(tmp_path):
    curve = Curve(tmp_path / "curve.csv", 0)
    for step in (1, 2, 3):
        curve.add(row(step, validation_loss=0.25, macro_f1=0.5, validation_seconds=step / 4) if step == 2 else row(step))
    return curve.path


def test_rows_are_read_as_they_were_written(path):
    assert path.read_text().splitlines()[2] == "2,2,16,1,0.001,0.5,0.25,0.5,,0.5"
    assert [found["step"] for found in read_curve(path)] == [1, 2, 3]
    assert read_curve(path)[0] == row(1)
    assert validation_seconds(path) == 0.5


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_resumed_run_drops_the_rows_after_its_checkpoint_and_goes_on(path, step):
    lines = path.read_text().splitlines()
    curve = Curve(path, step)
    assert path.read_text().splitlines() == lines[: step + 1]
    assert curve.newest("macro_f1") == (0.5 if step > 1 else None)
    curve.add(row(step + 1))
    assert [found["step"] for found in read_curve(path)] == list(range(1, step + 2))


def test_a_new_run_begins_a_new_curve_and_new_event_files(path):
    before = set(path.parent.glob("events.out.tfevents.*"))
    assert before
    Curve(path, 0)
    assert read_curve(path) == []
    assert not before & set(path.parent.glob("events.out.tfevents.*"))


def test_a_row_that_was_cut_off_is_no_row(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert [found["step"] for found in read_curve(path)] == [1, 2]
    Curve(path, 2).add(row(3))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"epoch,step\n1,2\n", b"\xff\xfe\n1\n", b"", ",".join(COLUMNS).encode() + b"\n1,2\n1,x\n"])
def test_what_is_no_curve_is_said_and_begins_again(path, content, capsys):
    path.write_bytes(content)
    if content:
        with pytest.raises(DataError, match=r"curve.csv is damaged, or of another version: remove it"):
            read_curve(path)
    Curve(path, 2).add(row(3))
    assert ("the curve starts again" in capsys.readouterr().out) == bool(content)
    assert read_curve(path) == [row(3, training_loss=pytest.approx(1 / 3))]


def test_no_file_is_a_curve_without_rows(tmp_path):
    assert read_curve(tmp_path / "curve.csv") == []
    assert validation_seconds(tmp_path / "curve.csv") == 0
