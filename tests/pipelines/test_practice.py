"""All commands on a small practice competition. Only scoring reads its hidden labels."""

import json
import shutil

import pytest

from tests.conftest import REPOSITORY

PRACTICE = """
title: Small practice
data: data/small
groups: {table: antibodies.csv, column: antibody}
folds: {count: 3, split_groups: 0.7}
practice: {train: 90, test: 24, unshifted: 16, size: 32, groups_per_class: 2}
models: [tiny, small]
"""


def submission_of(project):
    """Train, stack and return the one submission's name and bytes."""
    for command in (("models", "--workers", "1"), ("stack",)):
        ended = project.call(command[0], "--competition", "small", *command[1:])
        assert ended.returncode == 0, ended.stderr
    (path,) = (project.root / "submissions/small").glob("*.csv")
    return path.name, path.read_bytes()


@pytest.fixture
def drawn(project):
    classes = (REPOSITORY / "configs/competitions/hpa.yaml").read_text().split("classes:")[1].split("folds:")[0]
    (project.root / "configs/competitions/small.yaml").write_text(f"{PRACTICE}classes:{classes}")
    return project


def check_closing_lines(drawn, name, scored):
    """`make practice` ends with five lines, which repeat the sidecar and `make score`."""
    ended = drawn.call("practice", "--competition", "small", "--model", "tiny")
    assert ended.returncode == 0, ended.stderr
    *table, made, submission, expected, true, following = ended.stdout.splitlines()
    assert any(line.startswith("with tiny ") for line in table)
    assert made == "made            a practice competition (90 training and 40 test images), and 2 models trained on it"
    assert submission.startswith(f"submission      submissions/small/{name}: ")
    nested = json.loads((drawn.root / "submissions/small" / name).with_suffix(".json").read_text())["nested"]
    low, high = nested["interval"]
    assert f"{nested['value']:.3f} macro F1" in expected
    assert f"interval {low:.3f} to {high:.3f}, " in expected
    _, images, score = next(line.split()[:3] for line in scored.splitlines() if line.startswith("unshifted"))
    assert true.startswith(f"true score      {float(score):.3f} on {images} test images")
    assert following.startswith("next ")


def test_practice_ends_with_real_results_and_its_submission_is_the_same_without_the_hidden_labels(drawn):
    first = submission_of(drawn)
    scored = drawn.call("score", "--competition", "small")
    assert scored.returncode == 0, scored.stderr
    assert all(usage in scored.stdout for usage in ("private", "public", "unshifted"))
    check_closing_lines(drawn, first[0], scored.stdout)
    sidecar = json.loads((drawn.root / "submissions/small" / first[0]).with_suffix(".json").read_text())
    assert set(sidecar["models"]) == {"small", "tiny"}

    for folder in ("data/small/hidden", "oof/small", "submissions/small", "runs/small"):
        shutil.rmtree(drawn.root / folder)
    assert submission_of(drawn) == first
    assert not (drawn.root / "data/small/hidden").exists()
    assert "hidden/labels.csv" in drawn.refused(drawn.call("score", "--competition", "small"))
