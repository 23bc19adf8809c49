"""`make score` agrees with scikit-learn, with a bootstrap written out, and with brute force."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from comp.competition import load_competition
from comp.submission import write_submission
from pipelines.score import best_constant

ROOT = Path(__file__).parents[2]
YAML = "title: Tiny\ndata: data/tiny\nclasses: [Nucleus, Cytosol, Rods, Actin]\n"
PARTS = ("public", "private", "unshifted")


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and decisions (N, 4), every row with a label; class 3 is rare."""
    random = np.random.default_rng(seed)
    labels = random.random((count, 4)) < [0.6, 0.3, 0.2, 0.02]
    labels[~labels.any(axis=1), 0] = True
    decisions = labels ^ (random.random((count, 4)) < 0.15)
    decisions[~decisions.any(axis=1), 0] = True
    return labels, decisions


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A drawn competition of 300 test images with sealed labels, and one submission in another order."""
    (tmp_path / "configs" / "competitions").mkdir(parents=True)
    (tmp_path / "configs" / "competitions" / "drawn.yaml").write_text(YAML + "practice: {seed: 1}\n")
    (tmp_path / "configs" / "competitions" / "real.yaml").write_text(YAML)
    labels, decisions = drawn(300)
    competition = load_competition("drawn", tmp_path)
    ids = [f"image-{number:03}" for number in range(300)]
    strings = competition.labels.strings(labels)
    sealed = tmp_path / "data" / "tiny" / "sealed" / "labels.csv"
    sealed.parent.mkdir(parents=True)
    sealed.write_text("Id,Target,Part\n" + "".join(f"{ids[row]},{strings[row]},{PARTS[row % 3]}\n" for row in range(300)))
    order = np.random.default_rng(1).permutation(300)
    sidecar = {"stack": "default", "nested": {"value": 0.7, "error": 0.03}}
    guessed = competition.labels.strings(decisions[order])
    write_submission(tmp_path / "submissions" / "drawn", "stack", [ids[row] for row in order], guessed, competition, sidecar)
    return tmp_path


def score(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.score", *arguments]
    return subprocess.run(command, cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def rows_of(output: str) -> dict[str, list[float]]:
    """The numbers of the table by part."""
    lines = [line.split() for line in output.splitlines()]
    return {words[0]: [float(word) for word in words[1:]] for words in lines if words and words[0] in (*PARTS, "all") and len(words) == 6}


def slow_bootstrap(labels: np.ndarray, decisions: np.ndarray) -> float:
    random = np.random.default_rng(5)
    resamples = (random.integers(0, len(labels), len(labels)) for _ in range(300))
    return float(np.std([slow_macro_f1(labels[rows], decisions[rows]) for rows in resamples], ddof=1))


def slow_macro_f1(labels: np.ndarray, decisions: np.ndarray) -> float:
    hits = [(true & said).sum() for true, said in zip(labels.T, decisions.T, strict=True)]
    found = [true.sum() + said.sum() for true, said in zip(labels.T, decisions.T, strict=True)]
    return float(np.mean([2 * hit / total if total else 0.0 for hit, total in zip(hits, found, strict=True)]))


def test_parts_are_scored_as_scikit_learn_scores_them(project: Path) -> None:
    ended = score(project, "--competition", "drawn")
    assert ended.returncode == 0, ended.stderr
    labels, decisions = drawn(300)
    table = rows_of(ended.stdout)
    assert set(table) == set(PARTS)
    for number, part in enumerate(PARTS):
        true, said = labels[number::3], decisions[number::3]
        images, macro, error, constant, ratio = table[part]
        assert images == 100
        assert macro == pytest.approx(f1_score(true, said, average="macro", zero_division=0), abs=6e-5)
        assert constant == pytest.approx(f1_score(true, np.ones_like(true), average="macro", zero_division=0), abs=6e-5)
        assert error == pytest.approx(slow_bootstrap(true, said), rel=0.2)  # five standard errors of a spread from 300 draws
        assert ratio == pytest.approx(macro / constant, abs=0.006)


def test_the_promise_stands_beside_the_unshifted_part(project: Path) -> None:
    output = score(project, "--competition", "drawn").stdout
    _, truth, error, _, _ = rows_of(output)["unshifted"]
    found = re.search(r"nested score 0\.7000 \+- 0\.0300; minus unshifted: (\S+) \+- (\S+)", output)
    assert found is not None
    assert float(found[1]) == pytest.approx(0.7 - truth, abs=1.1e-4)
    assert float(found[2]) == pytest.approx(np.hypot(0.03, error), abs=1.1e-4)


def test_no_constant_answer_beats_all_labels_to_all_images() -> None:
    labels, _ = drawn(80, seed=3)
    labels[:, 2] = False  # a class without a positive
    constants = [np.tile(answer, (80, 1)) for answer in itertools.product([False, True], repeat=4)]
    brute_force = max(f1_score(labels, constant, average="macro", zero_division=0) for constant in constants)
    assert best_constant(labels) == pytest.approx(brute_force)


def test_a_label_table_of_the_users_own(project: Path) -> None:
    labels, decisions = drawn(300)
    strings = load_competition("real", project).labels.strings(labels)
    (project / "mine.csv").write_text("Id,Target\n" + "".join(f"image-{row:03},{strings[row]}\n" for row in range(50)))
    submission = next((project / "submissions" / "drawn").glob("*.csv"))
    ended = score(project, "--competition", "real", "--file", str(submission), "--labels", "mine.csv")
    images, macro, *_ = rows_of(ended.stdout)["all"]
    assert images == 50
    assert macro == pytest.approx(f1_score(labels[:50], decisions[:50], average="macro", zero_division=0), abs=6e-5)
    assert "nested" not in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--competition", "real"), "competition real has no sealed labels: give a table with LABELS=..., or: make submit COMP=real"),
        (("--competition", "real", "--labels", "mine.csv"), "no submission in submissions/real: make one with: make stack COMP=real"),
        (("--competition", "drawn", "--labels", "absent.csv"), "there is no absent.csv"),
        (("--competition", "drawn", "--labels", "foreign.csv"), "lacks 1 of the 1 labelled ids, e.g. nobody"),
        (("--competition", "drawn", "--labels", "unknown.csv"), "unknown label '9' of id image-000"),
        (("--competition", "drawn", "--labels", "columns.csv"), "columns.csv has no column 'Target'"),
        (("--competition", "drawn", "--labels", "empty.csv"), "empty.csv holds no label"),
    ],
)
def test_refusals_are_one_line(project: Path, arguments: tuple[str, ...], complaint: str) -> None:
    (project / "mine.csv").write_text("Id,Target\nimage-000,0\n")
    (project / "foreign.csv").write_text("Id,Target\nnobody,0\n")
    (project / "unknown.csv").write_text("Id,Target\nimage-000,9\n")
    (project / "columns.csv").write_text("Id,Labels\nimage-000,0\n")
    (project / "empty.csv").write_text("Id,Target\n")
    ended = score(project, *arguments)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_missing_sealed_file_names_the_command_that_draws_it(project: Path) -> None:
    (project / "data" / "tiny" / "sealed" / "labels.csv").unlink()
    ended = score(project, "--competition", "drawn")
    assert ended.returncode == 2
    assert "data/tiny/sealed/labels.csv" in ended.stderr
    assert "make practice" in ended.stderr
