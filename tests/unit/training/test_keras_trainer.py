import numpy as np
import pytest

from comp.base.errors import CompError, PredictionError
from comp.competition.experiments.keras_experiment import KerasExperiment, KerasTraining
from comp.images.input_channels import InputChannels
from comp.images.keras_batches import KerasBatches
from comp.training import keras_trainer
from comp.training.keras_checkpoint import KerasState
from comp.training.trainer import FoldData, Run

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.random((84, 3)) < 0.3
IMAGES = (GENERATOR.integers(0, 60, (84, 16, 16, 4)) + 150 * LABELS[:, None, None, [0, 1, 2, 0]]).astype(np.uint8)
DATA = FoldData(IMAGES, LABELS, np.arange(64), InputChannels((0, 1, 2)))
NEW = np.arange(64, 84)


def experiment(**training):
    settings = KerasTraining(**{"epochs": 2, "batch_size": 8, "lr": 1e-3, **training})
    return KerasExperiment(model="tiny", trainer="keras", backbone="AllCNN", initial_weights="scratch", size=16, train=settings)


def run(checkpoint, trained=None, data=DATA, minutes=60.0, made_from="this", restart=False):
    started = Run(0, "cpu", checkpoint, {"run": made_from}, "scratch", minutes, restart=restart)
    return keras_trainer.train(trained or experiment(), data, started)


def test_it_learns(tmp_path):
    trained = run(tmp_path / "checkpoint", experiment(epochs=15))
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


def test_the_checkpoint_of_another_run_is_kept_unless_it_is_given_up(tmp_path):
    run(tmp_path / "checkpoint", experiment(epochs=1), made_from="other")
    with pytest.raises(PredictionError, match="with run other, now this"):
        run(tmp_path / "checkpoint", experiment(epochs=1))
    again, fresh = run(tmp_path / "checkpoint", experiment(epochs=1), restart=True), run(tmp_path / "fresh", experiment(epochs=1))
    np.testing.assert_array_equal(again.predict(IMAGES, NEW), fresh.predict(IMAGES, NEW))


def test_prediction_is_the_mean_over_the_turned_views_of_logits(tmp_path):
    model = run(tmp_path / "checkpoint", experiment(epochs=1)).predict.args[0]
    turned = [np.rot90(IMAGES[NEW], k, axes=(1, 2))[:, :, ::flip, :3] for k in range(4) for flip in (1, -1)]
    expected = np.mean([model.predict(np.ascontiguousarray(images), verbose=0) for images in turned], axis=0)
    eight = experiment().model_copy(update={"tta": 8})
    np.testing.assert_allclose(keras_trainer.predict(model, eight, DATA.channels, IMAGES, NEW), expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_gives_other_numbers_and_predicts_float32(tmp_path):
    half, full = (run(tmp_path / name, experiment(epochs=1, precision=name)) for name in ("bf16", "fp32"))
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


def test_threads_cannot_change_once_tensorflow_has_started(tmp_path):
    run(tmp_path / "checkpoint", experiment(epochs=1))
    with pytest.raises(CompError, match="TensorFlow has started here with other threads than 7"):
        run(tmp_path / "other", experiment(epochs=1, threads=7))
