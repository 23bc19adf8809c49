"""The table that compares sources of images with rare labels."""

import re
from contextlib import chdir
from typing import Any

from comp.competition.experiments.experiment import RareLabels
from comp.predictions.task import load_task
from comp.stacking.rare_recall import recall_table
from tests.studies.rare_sources import BELOW, COMPARED, SOURCES, TARGET, report


def test_equal_models_have_equal_scores_which_are_those_of_make_rare(made: Any) -> None:
    with chdir(made.root):
        task = load_task("tiny")
        lines = report(task, {(source, seed): "tiny" for source in SOURCES for seed in (0, 1)}).splitlines()
        other = recall_table(task, ["tiny"], RareLabels(below=BELOW, target=TARGET)).splitlines()
    shown = re.findall(r"\d\.\d{4} \+- \d\.\d{4}", other[1])
    for line, source in zip(lines[1:5], SOURCES, strict=True):
        assert line.startswith(source)
        recall, _, macro_f1 = re.findall(r"\d\.\d{4} \+- \d\.\d{4}", line)
        assert [recall, macro_f1] == [shown[1], shown[3]]
    assert len(lines) == 5 + len(COMPARED)
    for line in lines[5:]:
        assert line.count("+0.0000 +- 0.0000") == 3
