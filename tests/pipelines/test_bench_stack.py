"""`make bench-stack`: the peers on held-out rows, the table against closed forms, and the cost of a stack."""

import contextlib
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve

from comp.base.errors import CompError
from comp.base.paths import config
from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import Estimate, GroupBootstrap
from comp.metrics.macro_f1 import macro_f1
from comp.predictions.task import load_task
from comp.stacking.inputs import read_inputs
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import load_recipe
from pipelines.command import run
from tests.benchmarks import greedy, stack_contest, stack_cost
from tests.benchmarks.contest import Entrant, decided, margins_across, table, verdict
from tests.benchmarks.logits import synthetic_predictions
from tests.benchmarks.peers.autogluon_process import AutoGluon
from tests.benchmarks.peers.boosting import lightgbm_peer
from tests.benchmarks.peers.logistic import scikit_learn_peer
from tests.benchmarks.peers.per_class import inner_splits
from tests.benchmarks.peers.simple import blend_and_threshold
from tests.benchmarks.synthetic_stack import NAME, write_competition

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-peers" / "bin" / "python"
FREQUENT, LONE, NEVER = 0, 3, 4  # classes with many positives, with one, with none
PEERS = {
    "mean": blend_and_threshold("mean"),
    "best_single": blend_and_threshold("best_single"),
    "greedy": blend_and_threshold("greedy"),
    "scikit-learn": scikit_learn_peer,
    "LightGBM": lightgbm_peer(all_classes=False),
    "LightGBM on all logits": lightgbm_peer(all_classes=True),
}


@pytest.fixture(scope="module")
def labelled() -> PredictionSet:
    """Two good models and a useless one; 240 rows in 80 groups and three folds; five classes."""
    rng = np.random.default_rng(0)
    labels = rng.random((240, 5)) < [0.4, 0.3, 0.1, 0, 0]
    labels[5, LONE] = True
    logits = np.stack([skill * labels + rng.normal(size=labels.shape) - 1 for skill in (3, 2, 0)]).astype(np.float32)
    groups = np.arange(240) // 3
    return PredictionSet(logits, ("a", "b", "coin"), (groups % 3).astype(np.int8), groups, labels)


@pytest.fixture(scope="module")
def few(labelled) -> PredictionSet:
    """Fewer classes, for slow tests: scikit-learn tries a hundred thresholds per class."""
    return labelled.of_classes([FREQUENT, LONE, NEVER])


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_decides_well_and_without_the_held_out_labels(few, name):
    labelled = few
    held = labelled.folds == 0
    flipped = labelled.known_labels.copy()
    flipped[held] ^= True
    margins, other = (margins_across(PEERS[name], replace(labelled, labels=labels), name) for labels in (labelled.known_labels, flipped))
    assert margins.shape == labelled.known_labels.shape
    assert not np.isnan(margins).any()
    np.testing.assert_array_equal(margins[held], other[held])
    assert (margins[~held] != other[~held]).any()
    assert (margins[:, -1] == -np.inf).all()
    chance = f1_score(labelled.known_labels[:, FREQUENT], np.ones(240, bool))
    assert f1_score(labelled.known_labels[:, FREQUENT], margins[:, FREQUENT] >= 0) > chance + 0.2


def test_simple_peers_reach_the_best_f1_of_every_class_on_their_own_rows(labelled):
    margins = blend_and_threshold("mean")(labelled, labelled.unlabelled())
    mean = (1 / (1 + np.exp(-labelled.logits.astype(np.float64)))).mean(axis=0)
    for column in range(LONE + 1):
        precision, recall, _ = precision_recall_curve(labelled.known_labels[:, column], mean[:, column])
        best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
        assert f1_score(labelled.known_labels[:, column], margins[:, column] >= 0) == pytest.approx(best)


def test_the_best_single_model_is_the_most_skilled_one(labelled):
    alone = blend_and_threshold("best_single")(labelled, labelled.unlabelled())
    np.testing.assert_allclose(alone, blend_and_threshold("mean")(labelled.only(["a"]), labelled.only(["a"]).unlabelled()))


def test_inner_folds_have_positives_on_both_sides_or_there_are_none():
    folds = np.array([0, 0, 1, 1, 2, 2], np.int8)
    (some, others), *more = inner_splits(folds, np.array([True, False] * 3))
    assert (some.tolist(), others.tolist(), len(more)) == ([2, 3, 4, 5], [0, 1], 2)
    assert [others.tolist() for _, others in inner_splits(folds, np.array([True, False, True, False, False, False]))] == [[0, 1], [2, 3]]
    assert inner_splits(folds, np.array([True, True, False, False, False, False])) == []
    assert inner_splits(np.array([0, 1, 1], np.int8), np.array([True, True, False])) == []  # fold 0 has no negative to fit on


def test_margins_of_zero_predict_and_empty_rows_get_their_most_likely_class():
    margins = np.array([[0.0, -1.0, 2.0], [-3.0, -1.0, -2.0], [-np.inf, -0.5, -0.5]])
    filled = [[True, False, True], [False, True, False], [False, True, False]]
    np.testing.assert_array_equal(decided(margins, needs_labels=True), filled)
    np.testing.assert_array_equal(decided(margins, needs_labels=False), [filled[0], [False] * 3, [False] * 3])


@pytest.mark.parametrize(
    ("gain", "error", "said"),
    [
        (0.02, 0.01, "ahead"), (-0.02, 0.01, "behind"), (0.01, 0.01, "within one s.e."), (-0.01, 0.01, "within one s.e."),
        (0.0, 0.0, "within one s.e."), (1e-6, 0.0, "ahead"),
    ],
)  # fmt: skip
def test_verdicts(gain, error, said):
    assert verdict(Estimate(gain, error)) == said


def test_the_table_compares_ours_with_each(labelled):
    truth = labelled.known_labels
    bootstrap = GroupBootstrap(truth, labelled.groups, 200, 0)
    worse = truth.copy()
    worse[:, FREQUENT] = False
    entrants = [Entrant("ours", truth, 1.0), Entrant("same", truth, 2.0), Entrant("worse", worse, 3.25), Entrant("gone", note="why")]
    lines = table(entrants, bootstrap)
    ours, same, worst, gone = (line.split() for line in lines.splitlines()[1:5])
    best = f1_score(truth, truth, average="macro", zero_division=0)
    assert ours[:2] == ["ours", f"{best:.4f}"]
    assert " ".join(same[4:]) == "+0.0000 +- 0.0000 within one s.e. 2.0"
    assert worst[1] == f"{f1_score(truth, worse, average='macro', zero_division=0):.4f}"
    assert worst[4] == "+0.2000"  # one of five classes, from 1 to 0
    assert worst[-2:] == ["ahead", "3.2"]
    assert gone == ["gone", "not", "measured"]
    assert lines.splitlines()[-1] == "gone: why"


def test_an_incomplete_environment_of_autogluon_is_reported(labelled, tmp_path):
    with pytest.raises(CompError, match=r"there is no .*python"), AutoGluon(tmp_path / "python"):
        pass
    with pytest.raises(CompError, match="No module named 'autogluon'"), AutoGluon(Path(sys.executable)) as half_made:
        half_made.margins(labelled, labelled.unlabelled())
    (result,) = greedy.measure(tmp_path, 500, 1, tmp_path / "python")
    assert (result.measured, result.reached) == ("not measured", None)
    assert "there is no" in result.note


def test_autogluon_decides_without_the_held_out_labels_and_selects_as_we_do(few):
    if not ENVIRONMENT.exists():
        pytest.skip("there is no .venv-peers; make bench-stack makes it")
    labelled = few
    held = labelled.folds == 0
    flipped = labelled.known_labels.copy()
    flipped[held] ^= True
    with AutoGluon(ENVIRONMENT) as autogluon:
        margins, other = (
            margins_across(autogluon.margins, replace(labelled, labels=each), "") for each in (labelled.known_labels, flipped)
        )
        np.testing.assert_array_equal(margins[held], other[held])
        assert (margins[~held] != other[~held]).any()
        assert f1_score(labelled.known_labels[:, FREQUENT], margins[:, FREQUENT] >= 0) > 0.7
        one, two = (autogluon.ask("select", metric=metric)["weights"] for metric in (greedy.CUMULATIVE, greedy.OUR_METRIC))
    np.testing.assert_allclose(one, two)


def command(root: Path, *arguments: str) -> tuple[object, str, str]:
    """Exit code, output and errors of `python -m tests.benchmarks.stack_contest`, run in this process."""
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["bench_stack", "--competition", NAME, *arguments])
        with contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                run(stack_contest.main)
            except SystemExit as ended:
                code = ended.code
    return code, out.getvalue(), err.getvalue()


def test_the_command_reads_prediction_files_and_does_without_autogluon(few, tmp_path):
    write_competition(tmp_path, few)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = command(tmp_path, "--models", "a", "b")
    assert code == 0, err
    first, _, _, *lines = out.splitlines()
    assert first == "2 models on 240 rows in 3 folds: a, b"
    starts = [
        "our full pipeline, default",
        "best_single",
        "mean",
        "greedy",
        "scikit-learn",
        "LightGBM on the",
        "LightGBM on all",
        "AutoGluon",
    ]
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=False))
    assert all("+-" in line for line in lines[:7])
    assert lines[7].endswith("not measured")
    assert "there is no .venv-peers/bin/python" in lines[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_recipe_that_is_not_there_is_refused(labelled, tmp_path):
    write_competition(tmp_path, labelled)
    code, _, err = command(tmp_path, "--stack", "nothing")
    assert code == 2
    assert err.startswith("error: there is no configs/stacks/nothing.yaml")


def test_a_synthetic_competition_is_read_back_unchanged(labelled, tmp_path):
    write_competition(tmp_path, labelled)
    with contextlib.chdir(tmp_path):
        task = load_task(NAME)
        found = read_inputs(task, [], "default", load_recipe(config("stacks", "default"))).labelled(task.folds.fold != HOLDOUT, ())
    np.testing.assert_array_equal(found.logits, labelled.logits)
    np.testing.assert_array_equal(found.known_labels, labelled.known_labels)
    np.testing.assert_array_equal(found.folds, labelled.folds)
    assert len(set(zip(found.groups.tolist(), labelled.groups.tolist(), strict=True))) == 80


def test_synthetic_models_are_similar_and_better_than_chance():
    labelled = synthetic_predictions(2, 3000)
    assert labelled.logits.shape == (2, 3000, 28)
    assert set(labelled.folds) == set(range(5))
    one, two = (labelled.logits[number] - labelled.logits[number].mean(axis=0) for number in range(2))
    assert 0.6 < (one * two).mean() / one.std() / two.std() < 0.95
    frequent = labelled.known_labels.sum(axis=0) > 100
    assert (macro_f1(labelled.known_labels[:, frequent], labelled.logits[0][:, frequent] > 0)) > 0.5


def test_exponents_of_a_power_law_are_found():
    sizes = np.array([[models, rows] for models in (2, 4, 8) for rows in (100, 200, 400)], float)
    assert stack_cost.exponents(sizes, 0.01 * sizes[:, 0] ** 1.5 * sizes[:, 1] ** 0.75) == pytest.approx([1.5, 0.75])


def test_memory_is_that_of_all_processes_of_a_run():
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("this system does not report it")
    hold = "import sys; held = bytearray(b'x' * 40_000_000); print(flush=True); sys.stdin.read()"
    both = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", both], start_new_session=True, **streams) as parent:
        parent.stdout.readline()
        parent.stdout.readline()
        assert 80e6 < stack_cost.memory_of_session(parent.pid) < 160e6
        parent.stdin.close()


def test_a_recipe_that_is_not_there_is_not_measured(labelled, tmp_path):
    result = stack_cost.whole_run(tmp_path, "full", labelled)
    assert (result.measured, result.reached) == ("not measured", None)
    assert "configs/stacks/full.yaml" in result.note


def test_a_run_that_fails_is_no_measurement(labelled, tmp_path):
    (tmp_path / "configs/stacks").mkdir(parents=True)
    (tmp_path / "configs/stacks/quick.yaml").write_text("blenders: []")
    result = stack_cost.whole_run(tmp_path, "quick", labelled)
    assert (result.measured, result.reached) == ("failed", False)
    assert result.note.startswith("error: ")
