import json
import os

import pytest

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.stacking.article_record import read_record

RECORD = {"experiment": {"size": 64, "train": {"lr": 0.001, "epochs": 3}}, "train_images": 9, "seconds": 1.5, "host": "here"}


def test_a_record_is_read(tmp_path):
    path = Paths("tiny", tmp_path).run_record("net", 2)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(RECORD))
    found = read_record(Paths("tiny", tmp_path), "net", 2)
    assert (found.experiment.size, found.experiment.train.lr, found.experiment.train.epochs) == (64, 0.001, 3)
    assert (found.train_images, found.seconds) == (9, 1.5)


@pytest.mark.parametrize("content", [None, "folder", "pipe", "", "[1, 2]", '{"experiment"', "null", "[" * 5000, "{}", "\0\1"])
def test_a_damaged_or_missing_record_is_named_with_the_command(tmp_path, content):
    path = Paths("tiny", tmp_path).run_record("net", 2)
    path.parent.mkdir(parents=True)
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content is not None:
        path.write_text(content)
    with pytest.raises(
        PredictionError, match=r"run-2\.json is missing or damaged: remove it, .* make fold-2 COMP=tiny MODEL=net"
    ) as caught:
        read_record(Paths("tiny", tmp_path), "net", 2)
    assert "\n" not in str(caught.value)
