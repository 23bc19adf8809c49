"""`make bench-stack`: the peers on held-out rows, the table against closed forms, and the cost of a stack."""

import contextlib
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import f1_score, precision_recall_curve

from comp.base.errors import CompError
from comp.base.paths import config
from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import Estimate, GroupBootstrap
from comp.metrics.logits import sigmoid
from comp.metrics.macro_f1 import macro_f1
from comp.predictions.task import load_task
from comp.stacking.inputs import read_inputs
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import load_recipe
from pipelines.command import run
from tests.benchmarks import greedy, stack_contest, stack_cost
from tests.benchmarks.all_contests import mean_gain, ranks, table_of_all
from tests.benchmarks.contest import Entrant, Result, by_peer, decided, margins_across, results, table, verdict
from tests.benchmarks.logits import synthetic_predictions
from tests.benchmarks.peers.autogluon_process import AutoGluon
from tests.benchmarks.peers.boosting import lightgbm_peer
from tests.benchmarks.peers.logistic import scikit_learn_peer
from tests.benchmarks.peers.per_class import inner_splits
from tests.benchmarks.peers.simple import blend_and_threshold
from tests.benchmarks.peers.xcolumns_process import XColumns
from tests.benchmarks.synthetic_stack import NAME, write_competition

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-peers" / "bin" / "python"
FREQUENT, LONE, NEVER = 0, 3, 4  # classes with many positives, with one, with none
PEERS = {
    "mean": blend_and_threshold("mean"),
    "best_single": blend_and_threshold("best_single"),
    "greedy": blend_and_threshold("greedy"),
    "greedy log loss": blend_and_threshold("greedy", metric="log_loss"),
    "scikit-learn": scikit_learn_peer,
    "LightGBM": lightgbm_peer,
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
    lines = table(results(entrants, bootstrap))
    ours, same, worst, gone = (line.split() for line in lines.splitlines()[1:5])
    best = f1_score(truth, truth, average="macro", zero_division=0)
    assert ours[:2] == ["ours", f"{best:.4f}"]
    assert " ".join(same[4:]) == "+0.0000 +- 0.0000 within one s.e. 2.0"
    assert worst[1] == f"{f1_score(truth, worse, average='macro', zero_division=0):.4f}"
    assert worst[4] == "+0.2000"  # one of five classes, from 1 to 0
    assert worst[-2:] == ["ahead", "3.2"]
    assert gone == ["gone", "not", "measured"]
    assert lines.splitlines()[-1] == "gone: why"


def test_ranks_are_those_of_scipy():
    for scores in (np.array([0.5, 0.7, 0.5, 0.1]), np.zeros(3), np.random.default_rng(0).integers(0, 4, 20) / 4):
        np.testing.assert_array_equal(ranks(scores), rankdata(-scores))


def test_the_error_of_a_mean_gain_is_that_of_resampling_both_competitions(labelled):
    gains, drawn = [], []
    for seed in range(2):
        bootstrap = GroupBootstrap(labelled.known_labels, labelled.groups, 4000, seed)
        ours, theirs = (bootstrap.score(labelled.logits[model] > 0) for model in (seed, 2))
        gains.append(ours.gain_over(theirs))
        drawn.append(ours.resampled - theirs.resampled)
    found = mean_gain(gains)
    assert found.value == pytest.approx((gains[0].value + gains[1].value) / 2)
    assert found.error == pytest.approx(np.std((drawn[0] + drawn[1]) / 2), rel=0.05)


def test_the_table_of_all_competitions():
    def result(name: str, score: float, error: float = 0.0) -> Result:
        return Result(name, Estimate(score, 0.0), Estimate(0.5 - score, error), 1.5, "")

    gone = Result("gone", None, None, 0.0, "why")
    found = {
        "one": [result("ours", 0.5), result("peer", 0.5, 0.06), gone, result("bad", 0.1)],
        "two": [result("ours", 0.5), result("peer", 0.6, 0.08), result("gone", 0.9), result("bad", 0.3)],
    }
    head, ours, peer, absent, bad, *_ = (line.split() for line in table_of_all(found).splitlines())
    assert head[-3:] == ["one", "two", "seconds"]
    assert ours == ["ours", "0.5000", "1.8", "0.5000", "0.5000", "3.0"]
    assert peer == ["peer", "0.5500", "1.2", "-0.0500", "+-", "0.0500", "within", "one", "s.e.", "0.5000", "0.6000", "3.0"]
    assert absent == ["gone", "not", "measured", "0.9000", "1.5"]
    assert bad == ["bad", "0.2000", "3.0", "+0.3000", "+-", "0.0000", "ahead", "0.1000", "0.3000", "3.0"]


def test_a_peer_that_fails_does_not_take_part(labelled):
    def breaks(train: PredictionSet, held: PredictionSet) -> np.ndarray:
        raise ValueError("singular\nmatrix")

    entrant = by_peer("peer", breaks, labelled)
    assert (entrant.decisions, entrant.note) == (None, "singular matrix")


@pytest.mark.parametrize(("process", "package"), [(AutoGluon, "autogluon"), (XColumns, "xcolumns")])
def test_an_incomplete_environment_of_a_peer_is_reported(process, package, labelled, tmp_path):
    with pytest.raises(CompError, match=r"there is no .*python"), process(tmp_path / "python"):
        pass
    with pytest.raises(CompError, match=f"No module named '{package}'"), process(Path(sys.executable)) as half_made:
        half_made.margins(labelled, labelled.unlabelled())


def test_greedy_selection_is_not_measured_without_autogluon(tmp_path):
    (result,) = greedy.measure(tmp_path, 500, 1, tmp_path / "python")
    assert (result.measured, result.reached) == ("not measured", None)
    assert "there is no" in result.note


@pytest.mark.parametrize("process", [AutoGluon, XColumns])
def test_a_peer_in_its_environment_decides_well_and_without_the_held_out_labels(process, few):
    if not ENVIRONMENT.exists():
        pytest.skip("there is no .venv-peers; make bench-stack makes it")
    held = few.folds == 0
    flipped = few.known_labels.copy()
    flipped[held] ^= True
    with process(ENVIRONMENT) as running:
        margins, other = (margins_across(running.margins, replace(few, labels=each), "") for each in (few.known_labels, flipped))
    np.testing.assert_array_equal(margins[held], other[held])
    assert (margins[~held] != other[~held]).any()
    assert (margins[:, -1] == -np.inf).all()
    assert f1_score(few.known_labels[:, FREQUENT], margins[:, FREQUENT] >= 0) > 0.7


def test_autogluon_selects_as_we_do(few):
    if not ENVIRONMENT.exists():
        pytest.skip("there is no .venv-peers; make bench-stack makes it")
    with AutoGluon(ENVIRONMENT) as autogluon:
        autogluon.give(train=sigmoid(few.logits.astype(np.float64)), labels=few.known_labels)
        one, two = (autogluon.ask("select", metric=metric)["weights"] for metric in (greedy.CUMULATIVE, greedy.OUR_METRIC))
    np.testing.assert_allclose(one, two)


def test_xcolumns_finds_decisions_of_the_highest_expected_f1(labelled):
    """For one class, the best of all prefixes of the rows by falling probability (Lipton et al. 2014): the expected counts decide."""
    if not ENVIRONMENT.exists():
        pytest.skip("there is no .venv-peers; make bench-stack makes it")
    probs = sigmoid(labelled.logits[0].astype(np.float64))
    with XColumns(ENVIRONMENT) as xcolumns:
        xcolumns.give(probs=probs)
        xcolumns.ask("decide")
        decisions = xcolumns.taken("decisions")
    for values, decided_for in zip(probs.T, decisions.T, strict=True):
        falling = np.sort(values)[::-1]
        best = max(2 * falling[:count].sum() / (count + values.sum()) for count in range(1, len(values) + 1))
        assert 2 * values[decided_for].sum() / (decided_for.sum() + values.sum()) == pytest.approx(best, abs=1e-4)


def command(root: Path, *arguments: str, competition: str = NAME) -> tuple[object, str, str]:
    """Exit code, output and errors of `python -m tests.benchmarks.stack_contest` without `cma`, run in this process."""
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["bench_stack", "--competition", competition, *arguments])
        patch.setitem(sys.modules, "cma", None)
        with contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                run(stack_contest.main)
            except SystemExit as ended:
                code = ended.code
    return code, out.getvalue(), err.getvalue()


STARTS = [
    "our full pipeline, default", "our full pipeline, quick", "best single", "mean, exact", "greedy macro F1", "greedy log loss", "CMA-ES",
    "scikit-learn", "LightGBM", "xCOLUMNs", "AutoGluon",
]  # fmt: skip
ABSENT = ("CMA-ES", "xCOLUMNs", "AutoGluon")


def test_the_command_reads_prediction_files_and_does_without_packages_that_are_missing(few, tmp_path):
    write_competition(tmp_path, few)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = command(tmp_path, "--models", "a", "b", "--stack", "default quick")
    assert code == 0, err
    first, _, _, *lines = out.splitlines()
    assert first == "synthetic: 2 models on 240 rows in 3 folds: a, b"
    for line, start in zip(lines[: len(STARTS)], STARTS, strict=True):
        assert line.startswith(start)
        assert line.endswith("not measured") if start in ABSENT else "+-" in line
    *_, cma, xcolumns, autogluon, last = lines
    assert "the Python package 'cma' is missing" in cma
    assert cma.endswith("cma")  # what to type
    assert all("there is no .venv-peers/bin/python" in line for line in (xcolumns, autogluon))
    assert not last
    assert sorted(tmp_path.rglob("*")) == before


def test_several_competitions_get_a_table_each_and_one_over_all(few, tmp_path):
    write_competition(tmp_path, few, "one")
    write_competition(tmp_path, few.of_classes([FREQUENT]), "two")
    code, out, err = command(tmp_path, "--models", "a", "coin", "--stack", "quick", competition="one  two")
    assert code == 0, err
    assert [line.partition(":")[0] for line in out.splitlines() if "models on" in line] == ["one", "two"]
    starts = [start for start in STARTS[1:] if start not in ABSENT]
    for start in starts:
        one, two, both = (line.removeprefix(start).split() for line in out.splitlines() if line.startswith(start))
        scores = [float(line[line.index("+-") - 1]) for line in (one, two)]
        assert [float(score) for score in both[-3:-1]] == scores
        assert next(float(cell) for cell in both if cell.startswith("0.")) == pytest.approx(np.mean(scores), abs=1e-4)
    assert out.count("not measured") == 4 * len(ABSENT)


def test_a_competition_that_is_not_there_is_refused_before_any_work(few, tmp_path):
    write_competition(tmp_path, few)
    code, out, err = command(tmp_path, "--stack", "quick", competition=f"{NAME} nothing")
    assert (code, out) == (2, "")
    assert err.startswith("error: there is no configs/competitions/nothing.yaml")


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
