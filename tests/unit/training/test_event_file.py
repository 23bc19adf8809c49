"""Event files, read by TensorFlow's own reader, which checks their checksums."""

import time

import pytest

from comp.training.event_file import EventFile


def read(path):
    from comp.base.quiet_tensorflow import tensorflow as tf

    return list(tf.compat.v1.train.summary_iterator(str(path)))


def test_tensorflow_reads_what_was_written(tmp_path):
    file = EventFile(tmp_path, 0)
    file.add(1, {"training_loss": 0.75, "macro_f1": 0.0})
    file.add(300_000, {"training_loss": float("inf"), "a tag that takes more than one byte for its length, " * 4: -1e-20})
    version, start, first, second = read(file.path)
    assert version.file_version == "brain.Event:2"
    assert start.session_log.status == start.session_log.START
    assert (first.step, {value.tag: value.simple_value for value in first.summary.value}) == (1, {"training_loss": 0.75, "macro_f1": 0})
    assert second.step == 300_000
    assert second.summary.value[0].simple_value == float("inf")
    assert second.summary.value[1].simple_value == pytest.approx(-1e-20)
    assert len(second.summary.value[1].tag) > 127
    assert abs(first.wall_time - time.time()) < 60


def test_a_resumed_run_says_from_which_step_on_it_starts_again(tmp_path):
    EventFile(tmp_path, 0).add(5, {"training_loss": 1.0})
    EventFile(tmp_path, 3).add(4, {"training_loss": 0.5})
    first, second = sorted(tmp_path.iterdir())  # TensorBoard reads the files of a run in this order
    assert [event.step for event in read(first)] == [0, 1, 5]
    assert [event.step for event in read(second)] == [0, 4, 4]
