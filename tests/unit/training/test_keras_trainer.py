import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from comp.base.errors import CompError, PredictionError
from comp.competition.experiments.keras_experiment import KerasExperiment, KerasTraining
from comp.images.input_channels import InputChannels
from comp.images.keras_batches import KerasBatches
from comp.inference.keras_network import Predictor
from comp.models import keras_networks
from comp.training import keras_trainer
from comp.training.curve import read_curve
from comp.training.keras_checkpoint import KerasState
from comp.training.monitor import Monitor
from comp.training.trainer import FoldData, Run, prediction_settings
from tests.unit.training.ready import Ready

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.random((84, 3)) < 0.3
IMAGES = (GENERATOR.integers(0, 60, (84, 16, 16, 4)) + 150 * LABELS[:, None, None, [0, 1, 2, 0]]).astype(np.uint8)
DATA = FoldData(IMAGES, LABELS, np.arange(64), InputChannels((0, 1, 2)))
NEW = np.arange(64, 84)
CONVOLUTION = keras_networks._convolution


def experiment(**training):
    settings = KerasTraining(**{"epochs": 2, "batch_size": 8, "lr": 1e-3, **training})
    return KerasExperiment(model="tiny", trainer="keras", backbone="AllCNN", initial_weights="scratch", size=16, train=settings)


def run(checkpoint, trained=None, data=DATA, minutes=60.0, made_from="this", restart=False):
    """Train All-CNN with an eighth of its maps: a step takes a tenth of the time."""
    started = Run(0, "cpu", checkpoint, {"run": made_from}, "scratch", minutes, restart=restart)
    settings = trained or experiment()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras_networks, "_convolution", lambda filters, *more: CONVOLUTION(filters // 8, *more))
        return Ready(keras_trainer.train(settings, data, started), settings, data)


def test_it_learns(tmp_path):
    settings, started = experiment(epochs=15), Run(0, "cpu", tmp_path / "checkpoint", {"run": "this"}, "scratch")
    trained = Ready(keras_trainer.train(settings, DATA, started), settings, DATA)
    assert trained.losses[-1] < 0.5 * trained.losses[0]
    assert ((trained.predict(IMAGES, NEW) > 0) == LABELS[NEW]).mean() > 0.9
    assert len(trained.losses) == 15
    assert trained.images == 15 * 64


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted."""
    return run(tmp_path_factory.mktemp("whole") / "checkpoint")


@pytest.fixture(scope="module")
def eight_epochs(tmp_path_factory):
    """A run without validation."""
    return run(tmp_path_factory.mktemp("eight") / "checkpoint", experiment(epochs=8))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A run of one epoch that was made from something else, and its checkpoint."""
    checkpoint = tmp_path_factory.mktemp("other") / "checkpoint"
    return run(checkpoint, experiment(epochs=1), made_from="other"), checkpoint


@pytest.mark.parametrize("step", [3, 8, 13])
def test_a_run_interrupted_at_any_step_ends_as_one_never_interrupted(tmp_path, monkeypatch, whole, step):
    save = KerasState.save

    def save_and_die(self):
        save(self)
        if self.step == step:
            raise Killed

    monkeypatch.setattr(KerasState, "save", save_and_die)
    with pytest.raises(Killed):
        run(tmp_path / "interrupted", minutes=0)
    monkeypatch.undo()
    resumed = run(tmp_path / "interrupted")
    np.testing.assert_array_equal(resumed.predict(IMAGES, NEW), whole.predict(IMAGES, NEW))
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=1e-5)
    assert resumed.seconds > 0


@pytest.mark.parametrize("killed", [False, True])
def test_validation_changes_no_prediction_and_its_curve_goes_on_after_a_kill(tmp_path, monkeypatch, eight_epochs, killed):
    """Dropout and batch normalisation are left as they are."""
    watched, eight = replace(DATA, held_out=NEW), experiment(epochs=8)
    if killed:
        save = KerasState.save

        def save_and_die(self):
            if self.step == 45:
                save(self)
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(KerasState, "save", save_and_die)
            with pytest.raises(Killed):
                run(tmp_path / "with/checkpoint", eight, watched, 0)
    trained = run(tmp_path / "with/checkpoint", eight, watched)
    np.testing.assert_array_equal(trained.predict(IMAGES, NEW), eight_epochs.predict(IMAGES, NEW))
    curve = read_curve(tmp_path / "with/curve.csv")
    assert [row["step"] for row in curve] == sorted({8 * epoch for epoch in range(1, 9)} | {32, 64})  # two validations of 20 rows
    assert [row["step"] for row in curve if "macro_f1" in row] == [32, 64]
    logits = trained.predict(IMAGES, NEW)
    probs = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = np.mean([log_loss(LABELS[NEW, k], probs[:, k], labels=[False, True]) for k in range(3)])
    assert curve[-1]["validation_loss"] == pytest.approx(expected, rel=1e-4)
    assert curve[-1]["macro_f1"] == pytest.approx(f1_score(LABELS[NEW], logits > 0, average="macro", zero_division=0))


def test_a_loss_that_is_not_finite_stops_before_a_checkpoint(tmp_path):
    with pytest.raises(CompError, match="tiny fold 0: training diverged, the loss is nan in epoch") as stopped:
        run(tmp_path / "checkpoint", experiment(epochs=30, lr=1e30))
    assert stopped.value.then == 'lower the learning rate: SET="train.lr=3.3e+29"'
    assert not (tmp_path / "checkpoint").exists()


def test_weights_that_are_not_finite_reach_no_checkpoint(tmp_path, monkeypatch):
    """They are spoilt after the last step, where no later loss could tell."""
    after_step = Monitor.after_step

    def spoil(self, rate, note=""):
        after_step(self, rate, note)
        if self.state.step == 16:
            self.state.model.trainable_variables[0].assign(np.full(self.state.model.trainable_variables[0].shape, np.inf))

    monkeypatch.setattr(Monitor, "after_step", spoil)
    with pytest.raises(CompError, match=r"a network weight is not finite in epoch 2 .*last good epoch is"):
        run(tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()


def test_the_checkpoint_of_another_run_is_kept_unless_it_is_given_up(tmp_path, other):
    fresh, checkpoint = other
    shutil.copy(checkpoint, tmp_path / "checkpoint")
    with pytest.raises(PredictionError, match="with run other, now this"):
        run(tmp_path / "checkpoint", experiment(epochs=1))
    again = run(tmp_path / "checkpoint", experiment(epochs=1), restart=True)
    np.testing.assert_array_equal(again.predict(IMAGES, NEW), fresh.predict(IMAGES, NEW))


def test_prediction_is_the_mean_over_the_turned_views_of_logits(other):
    model = other[0].fold.network.network
    turned = [np.rot90(IMAGES[NEW], k, axes=(1, 2))[:, :, ::flip, :3] for k in range(4) for flip in (1, -1)]
    expected = np.mean([model.predict(np.ascontiguousarray(images), verbose=0) for images in turned], axis=0)
    eight = prediction_settings(experiment().model_copy(update={"tta": 8}))
    np.testing.assert_allclose(Predictor(model, eight, DATA.channels)(IMAGES, NEW), expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_gives_other_numbers_and_predicts_float32(tmp_path, other):
    half, full = run(tmp_path / "checkpoint", experiment(epochs=1, precision="bf16")), other[0]
    found = half.predict(IMAGES, NEW)
    assert found.dtype == np.float32
    assert not np.array_equal(found, full.predict(IMAGES, NEW))
    np.testing.assert_allclose(half.losses, full.losses, rtol=0.3)


def test_the_dataset_gives_the_same_batches_as_the_other_trainers():
    batches = DATA.batches(experiment(), 0)
    dataset = KerasBatches(batches, epoch=1, first_step=4)
    assert len(dataset) == len(batches) - 4
    for index in range(len(dataset)):
        for found, expected in zip(dataset[index], batches.epoch(1)(4 + index)[:2], strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("whole")
def test_threads_cannot_change_once_tensorflow_has_started(tmp_path):
    with pytest.raises(CompError, match="TensorFlow has started here with other threads than 7"):
        run(tmp_path / "other", experiment(epochs=1, threads=7))
