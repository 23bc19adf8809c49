"""`make score` agrees with scikit-learn, with a simple bootstrap, with brute force, and with `make compare`."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from comp.competition.competition import load_competition
from comp.metrics.macro_f1 import best_constant
from comp.submission.submission import write_submission
from tests.conftest import Project
from tests.pipelines.stacked_tables import TEST, Tables

ROOT = Path(__file__).parents[2]
YAML = "title: Tiny\ndata: data/tiny\nclasses: [Nucleus, Cytosol, Rods, Actin]\n"
USAGES = ("public", "private", "unshifted")


def synthetic(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and decisions (N, 4), every row with a label; class 3 is rare."""
    random = np.random.default_rng(seed)
    labels = random.random((count, 4)) < [0.6, 0.3, 0.2, 0.02]
    labels[~labels.any(axis=1), 0] = True
    decisions = labels ^ (random.random((count, 4)) < 0.15)
    decisions[~decisions.any(axis=1), 0] = True
    return labels, decisions


@pytest.fixture
def competitions(tmp_path: Path) -> Path:
    """A practice competition of 300 test images with hidden labels, and one submission in another order."""
    (tmp_path / "configs" / "competitions").mkdir(parents=True)
    (tmp_path / "configs" / "competitions" / "small.yaml").write_text(YAML + "practice: {seed: 1}\n")
    (tmp_path / "configs" / "competitions" / "real.yaml").write_text(YAML)
    labels, decisions = synthetic(300)
    competition = load_competition("small", tmp_path)
    ids = [f"image-{number:03}" for number in range(300)]
    strings = competition.labels.strings(labels)
    hidden = tmp_path / "data" / "tiny" / "hidden" / "labels.csv"
    hidden.parent.mkdir(parents=True)
    hidden.write_text("Id,Target,Usage\n" + "".join(f"{ids[row]},{strings[row]},{USAGES[row % 3]}\n" for row in range(300)))
    order = np.random.default_rng(1).permutation(300)
    sidecar = {"stack": "default", "nested": {"value": 0.7, "error": 0.03}}
    guessed = competition.labels.strings(decisions[order])
    stem = tmp_path / "submissions" / "small" / "stack"
    write_submission(stem, dict(zip([ids[row] for row in order], guessed, strict=True)), competition, sidecar)
    return tmp_path


def score(competitions: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.score", *arguments]
    return subprocess.run(command, cwd=competitions, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def rows_of(output: str) -> dict[str, list[float]]:
    """The numbers of the table by usage."""
    lines = [line.split() for line in output.splitlines()]
    return {words[0]: [float(word) for word in words[1:]] for words in lines if words and words[0] in (*USAGES, "all") and len(words) == 6}


def slow_bootstrap(labels: np.ndarray, decisions: np.ndarray) -> float:
    random = np.random.default_rng(5)
    resamples = (random.integers(0, len(labels), len(labels)) for _ in range(300))
    return float(np.std([slow_macro_f1(labels[rows], decisions[rows]) for rows in resamples], ddof=1))


def slow_macro_f1(labels: np.ndarray, decisions: np.ndarray) -> float:
    hits = [(true & decided).sum() for true, decided in zip(labels.T, decisions.T, strict=True)]
    found = [true.sum() + decided.sum() for true, decided in zip(labels.T, decisions.T, strict=True)]
    return float(np.mean([2 * hit / total if total else 0.0 for hit, total in zip(hits, found, strict=True)]))


def test_every_usage_is_scored_as_scikit_learn_scores_it(competitions: Path) -> None:
    ended = score(competitions, "--competition", "small")
    assert ended.returncode == 0, ended.stderr
    labels, decisions = synthetic(300)
    table = rows_of(ended.stdout)
    assert set(table) == set(USAGES)
    values = {usage: f"{macro:.4f}" for usage, (_, macro, *_) in table.items()}
    others = f"(public {values['public']}, unshifted {values['unshifted']})"
    assert ended.stdout.splitlines()[0].endswith(f".csv scores {values['private']} macro F1 on the private test images {others}")
    for number, usage in enumerate(USAGES):
        true, decided = labels[number::3], decisions[number::3]
        images, macro, error, constant, ratio = table[usage]
        assert images == 100
        assert macro == pytest.approx(f1_score(true, decided, average="macro", zero_division=0), abs=6e-5)
        assert constant == pytest.approx(f1_score(true, np.ones_like(true), average="macro", zero_division=0), abs=6e-5)
        assert error == pytest.approx(slow_bootstrap(true, decided), rel=0.2)  # five standard errors of a deviation from 300 resamples
        assert ratio == pytest.approx(macro / constant, abs=0.006)


def test_the_nested_score_is_compared_with_the_unshifted_images(competitions: Path) -> None:
    output = score(competitions, "--competition", "small").stdout
    _, truth, error, _, _ = rows_of(output)["unshifted"]
    found = re.search(r"nested score 0\.7000 \+- 0\.0300; minus unshifted: (\S+) \+- (\S+)", output)
    assert found is not None
    assert float(found[1]) == pytest.approx(0.7 - truth, abs=1.1e-4)
    assert float(found[2]) == pytest.approx(np.hypot(0.03, error), abs=1.1e-4)


def test_no_constant_answer_beats_all_labels_to_all_images() -> None:
    labels, _ = synthetic(80, seed=3)
    labels[:, 2] = False  # a class without a positive
    constants = [np.tile(answer, (80, 1)) for answer in itertools.product([False, True], repeat=4)]
    brute_force = max(f1_score(labels, constant, average="macro", zero_division=0) for constant in constants)
    assert best_constant(labels) == pytest.approx(brute_force)


def test_a_label_table_of_the_users_own(competitions: Path) -> None:
    labels, decisions = synthetic(300)
    strings = load_competition("real", competitions).labels.strings(labels)
    (competitions / "mine.csv").write_text("Id,Target\n" + "".join(f"image-{row:03},{strings[row]}\n" for row in range(50)))
    submission = next((competitions / "submissions" / "small").glob("*.csv"))
    ended = score(competitions, "--competition", "real", "--file", str(submission), "--labels", "mine.csv")
    images, macro, *_ = rows_of(ended.stdout)["all"]
    assert images == 50
    assert ended.stdout.startswith(f"{submission} scores {macro:.4f} macro F1 on 50 labelled images\n")
    assert macro == pytest.approx(f1_score(labels[:50], decisions[:50], average="macro", zero_division=0), abs=6e-5)
    assert "nested" not in ended.stdout


@pytest.mark.parametrize("form", ["one_hot", "long"])
def test_a_label_table_in_the_train_tables_form(competitions: Path, form: str) -> None:
    labels, decisions = synthetic(300)
    (competitions / "configs/competitions/real.yaml").write_text(f"{YAML}columns: {{form: {form}}}\n")
    ids = [f"image-{row:03}" for row in range(60)]
    usages = [("public", "private")[row % 2] for row in range(60)]
    if form == "one_hot":
        lines = ["Id,0,1,2,3,Usage", *(f"{ids[row]},{','.join(map(str, labels[row].astype(int)))},{usages[row]}" for row in range(60))]
    else:
        lines = [
            "Id,Target,Usage",
            *(f"{ids[row]},{column},{usages[row]}" for column in (2, 3, 0, 1) for row in range(60) if labels[row, column]),
        ]
    (competitions / "known.csv").write_text("\n".join(lines) + "\n")
    submission = next((competitions / "submissions" / "small").glob("*.csv"))
    ended = score(competitions, "--competition", "real", "--file", str(submission), "--labels", "known.csv")
    assert ended.returncode == 0, ended.stderr
    table = rows_of(ended.stdout)
    for number, usage in enumerate(("public", "private")):
        true, decided = labels[:60][number::2], decisions[:60][number::2]
        assert table[usage][0] == 30
        assert table[usage][1] == pytest.approx(f1_score(true, decided, average="macro", zero_division=0), abs=6e-5)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--competition", "real"), "real has no hidden labels: score it on a table of labels: make score COMP=real LABELS=table.csv\n"),
        (("--competition", "sent"), "make score COMP=sent LABELS=table.csv; or send it: make submit COMP=sent"),
        (("--competition", "real", "--labels", "mine.csv"), "no submission in submissions/real: make one with: make stack COMP=real"),
        (("--competition", "small", "--labels", "absent.csv"), "there is no absent.csv"),
        (("--competition", "small", "--labels", "unknown-id.csv"), "lacks 1 of the 1 labelled ids, e.g. nobody"),
        (("--competition", "small", "--labels", "unknown.csv"), "unknown label '9' of id image-000"),
        (("--competition", "small", "--labels", "columns.csv"), "columns.csv has no column 'Target'"),
        (("--competition", "small", "--labels", "empty.csv"), "empty.csv holds no label"),
    ],
)
def test_refusals_are_one_line(competitions: Path, arguments: tuple[str, ...], complaint: str) -> None:
    (competitions / "mine.csv").write_text("Id,Target\nimage-000,0\n")
    (competitions / "unknown-id.csv").write_text("Id,Target\nnobody,0\n")
    (competitions / "unknown.csv").write_text("Id,Target\nimage-000,9\n")
    (competitions / "columns.csv").write_text("Id,Labels\nimage-000,0\n")
    (competitions / "empty.csv").write_text("Id,Target\n")
    (competitions / "configs/competitions/sent.yaml").write_text(YAML + "slug: sent\n")
    ended = score(competitions, *arguments)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_missing_file_of_hidden_labels_names_the_command_that_makes_it(competitions: Path) -> None:
    (competitions / "data" / "tiny" / "hidden" / "labels.csv").unlink()
    ended = score(competitions, "--competition", "small")
    assert ended.returncode == 2
    assert "data/tiny/hidden/labels.csv" in ended.stderr
    assert "make practice" in ended.stderr


def test_score_and_compare_print_the_same_macro_f1(project: Project) -> None:
    """Over all classes, also where none of the images has one of them."""
    tables = Tables(project)
    configuration = project.root / "configs/competitions/tables.yaml"
    configuration.write_text(configuration.read_text() + "practice: {seed: 1}\n")
    strings = load_competition("tables", project.root).labels.strings(tables.truth[-TEST:])
    hidden = project.root / "data/tables/hidden/labels.csv"
    hidden.parent.mkdir()
    hidden.write_text("Id,Target,Usage\n" + "".join(f"{tables.test_ids[row]},{strings[row]},{USAGES[row % 3]}\n" for row in range(TEST)))
    assert not tables.truth[:, 3].any()
    stacked = tables.stack("--models", "fair", "good")
    assert stacked.returncode == 0, stacked.stderr
    scored, compared = (
        project.call("score", "--competition", "tables"),
        project.call("compare", "--competition", "tables", "--models", "fair+good", "coin"),
    )
    assert scored.returncode == 0, scored.stderr
    assert compared.returncode == 0, compared.stderr
    lines = [re.split(r"\s{2,}", line) for line in compared.stdout.splitlines()]
    titles = next(cells for cells in lines if set(USAGES) <= set(cells))
    cells = next(cells for cells in lines if cells[0] == "fair+good" and len(cells) == len(titles))
    by_compare = {usage: cells[titles.index(usage)] for usage in USAGES}
    by_score = {usage: f"{macro:.4f} +- {error:.4f}" for usage, (_, macro, error, *_) in rows_of(scored.stdout).items()}
    assert by_compare == by_score
