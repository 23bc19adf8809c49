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


def test_the_submission_is_the_same_without_the_hidden_labels(drawn):
    first = submission_of(drawn)
    scored = drawn.call("score", "--competition", "small")
    assert scored.returncode == 0, scored.stderr
    assert all(usage in scored.stdout for usage in ("private", "public", "unshifted"))
    sidecar = json.loads((drawn.root / "submissions/small" / first[0]).with_suffix(".json").read_text())
    assert set(sidecar["models"]) == {"small", "tiny"}

    for folder in ("data/small/hidden", "oof/small", "submissions/small", "runs/small"):
        shutil.rmtree(drawn.root / folder)
    assert submission_of(drawn) == first
    assert not (drawn.root / "data/small/hidden").exists()
    assert "hidden/labels.csv" in drawn.refused(drawn.call("score", "--competition", "small"))
