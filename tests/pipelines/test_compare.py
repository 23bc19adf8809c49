"""Comparing stacks, the ablation of one model, and the last step of `make practice`, on a small practice competition without images."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from comp.competition.labels import LabelSpace
from tests.pipelines.stacked_tables import CLASSES, TEST, TRAIN, YAML, Tables

USAGE = np.array(["public", "private", "unshifted"])[np.arange(TEST) % 3]


@pytest.fixture
def tables(project):
    """Three models and the hidden labels of the test images; nobody has the class "absent"."""
    made = Tables(project)
    (made.root / "configs/competitions/tables.yaml").write_text(YAML + "practice: {seed: 0}\n")
    strings = LabelSpace.numbered(CLASSES).strings(made.truth[TRAIN:])
    hidden = made.root / "data/tables/hidden"
    hidden.mkdir()
    pd.DataFrame({"Id": made.test_ids, "Target": strings, "Usage": USAGE}).to_csv(hidden / "labels.csv", index=False)
    return made


def cells(output, name):
    """The scores of a stack's line in a comparison."""
    line = next(line for line in output.splitlines() if re.match(rf"{re.escape(name)}\s+\d", line))
    return re.findall(r"(\d\.\d{4}) \+- (\d\.\d{4})", line)


def test_compare_and_score_print_the_same_scores_for_the_same_submission(tables):
    models = ("--models", "good", "fair")
    assert tables.stack(*models).returncode == 0
    scored = tables.project.call("score", "--competition", "tables")
    assert scored.returncode == 0, scored.stderr
    compared = tables.project.call("compare", "--competition", "tables", "--models", "good+fair", "fair")
    assert compared.returncode == 0, compared.stderr
    assert "macro F1 over all 4 classes, a class without a hit counting 0; known and new groups: over the 3 classes" in compared.stdout
    nested, _, _, *by_usage = cells(compared.stdout, "good+fair")
    for usage, (value, error) in zip(sorted(set(USAGE)), by_usage, strict=True):
        assert re.search(rf"^{usage}\s+\d+\s+{value}\s+{error}\b", scored.stdout, re.MULTILINE), scored.stdout
    told = json.loads(tables.submissions()[1].read_text())["nested"]
    assert nested[0] == f"{told['value']:.4f}"


def test_known_and_new_groups_score_as_in_the_stacks_own_report(tables):
    assert tables.stack("--models", "good", "fair").returncode == 0
    subsets = json.loads(tables.submissions()[1].read_text())["row_subsets"]
    compared = tables.project.call("compare", "--competition", "tables", "--models", "good+fair", "fair")
    _, known, new, *_ = cells(compared.stdout, "good+fair")
    assert [known[0], new[0]] == [f"{subset['nested']['value']:.4f}" for subset in subsets]


def test_ablate_compares_with_and_without_the_model(tables):
    ended = tables.project.call("ablate", "--competition", "tables", "--model", "good")
    assert ended.returncode == 0, ended.stderr
    assert "with good: coin, fair, good\nwithout: coin, fair\n" in ended.stdout
    with_it, without = (float(cells(ended.stdout, name)[0][0]) for name in ("with good", "without"))
    gain = float(re.search(r"^  without\s+([+-]\d\.\d{4})", ended.stdout, re.MULTILINE)[1])
    assert gain == pytest.approx(with_it - without, abs=2e-4)
    assert gain > 0
    error = tables.project.refused(tables.project.call("ablate", "--competition", "tables"))
    assert "no model is named: say which one to leave out: make ablate MODEL=" in error
    alone = tables.project.call("ablate", "--competition", "tables", "--model", "good", "--models", "good")
    assert "without good no model is left to stack" in tables.project.refused(alone)


def test_practice_ends_with_five_lines_of_real_results(tables):
    assert tables.stack().returncode == 0
    ended = tables.project.call("practice", "--competition", "tables", "--model", "good")
    assert ended.returncode == 0, ended.stderr
    made, submission, expected, true, following = ended.stdout.rstrip().split("\n\n")[-1].splitlines()
    assert made.startswith("made ")
    assert made.endswith(f"({TRAIN} training and {TEST} test images), and 3 models trained on it")
    sheet, sidecar, _ = tables.submissions()
    assert f"submissions/tables/{sheet.name}: " in submission
    told = json.loads(sidecar.read_text())["expected"]
    low, high = told["interval"]
    assert f"{told['value']:.3f} macro F1" in expected
    assert f"interval {low:.3f} to {high:.3f} on {TEST} test images, " in expected
    scored = tables.project.call("score", "--competition", "tables").stdout
    truth = re.search(r"^unshifted\s+(\d+)\s+(\d\.\d{4})", scored, re.MULTILINE)
    assert true.startswith(f"true score      {float(truth[2]):.3f} on {truth[1]} test images")
    assert "make help" in following
