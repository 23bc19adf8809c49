import math

import numpy as np
import pytest
import torch

from comp.base.errors import PredictionError
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.images.input_channels import InputChannels
from comp.inference.torch_network import Predictor
from comp.training.torch_optimizer import learning_rate
from comp.training.torch_trainer import pick_device, train
from comp.training.trainer import FoldData, Run, prediction_settings
from tests.unit.training.killed import killed_at
from tests.unit.training.ready import Ready

RGBY = InputChannels((0, 1, 2, 3))
GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.random((80, 3)) < 0.3
IMAGES = (GENERATOR.integers(0, 60, (80, 32, 32, 4)) + 150 * LABELS[:, None, None, [0, 1, 2, 0]]).astype(np.uint8)
DATA = FoldData(IMAGES, LABELS, np.arange(60), RGBY)
EXPERIMENT = TorchExperiment(
    model="tiny", backbone="test_resnet", initial_weights="scratch", size=32, dropout=0.2, tta=2,
    train=TorchTraining(epochs=6, batch_size=8, lr=5e-3)
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def run(checkpoint, experiment=EXPERIMENT, data=DATA, minutes=60.0, made_from="this", device="cpu", restart=False):
    trained = train(experiment, data, Run(0, device, checkpoint, {"run": made_from}, "scratch", minutes, restart=restart))
    return Ready(trained, experiment, data)


def logits_of(trained):
    return trained.predict(IMAGES, np.arange(60, 80))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted."""
    torch.set_num_threads(1)
    return run(tmp_path_factory.mktemp("whole") / "checkpoint.pt")


def test_it_learns(whole):
    assert whole.losses[-1] < 0.5 * whole.losses[0]
    assert ((logits_of(whole) > 0) == LABELS[60:]).mean() > 0.9
    assert len(whole.losses) == 6


def test_the_schedule_warms_up_and_falls_along_half_a_cosine():
    rates = [learning_rate(step, steps=110, warmup=10, peak=2.0) for step in range(110)]
    np.testing.assert_allclose(rates[:10], 2.0 * np.arange(1, 11) / 10)
    np.testing.assert_allclose(rates[10:], [1 + math.cos(math.pi * step / 100) for step in range(100)])
    assert learning_rate(0, steps=1, warmup=0, peak=1.0) == 1.0


@pytest.mark.parametrize("step", [1, 7, 8, 25, 41])
def test_a_run_interrupted_at_any_step_ends_as_one_never_interrupted(tmp_path, whole, step):
    with killed_at(step):
        run(tmp_path / "interrupted.pt", minutes=0)
    torch.manual_seed(99)  # a new process has another random state
    np.testing.assert_array_equal(logits_of(run(tmp_path / "interrupted.pt")), logits_of(whole))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_learns_resumes_and_predicts(tmp_path):
    device = pick_device(0)
    run(tmp_path / "checkpoint.pt", EXPERIMENT.model_copy(update={"train": TorchTraining(epochs=3, batch_size=8)}), device=device)
    trained = run(tmp_path / "checkpoint.pt", device=device)  # made from the same: it resumes after three epochs and ends after six
    assert len(trained.losses) == 6
    assert ((logits_of(trained) > 0) == LABELS[60:]).mean() > 0.9


def test_the_checkpoint_of_another_run_is_kept_unless_it_is_given_up(tmp_path, whole):
    checkpoint = tmp_path / "checkpoint.pt"
    run(checkpoint, EXPERIMENT.model_copy(update={"train": TorchTraining(epochs=1, batch_size=8)}), made_from="other")
    with pytest.raises(PredictionError, match="with run other, now this"):
        run(checkpoint)
    np.testing.assert_array_equal(logits_of(run(checkpoint, restart=True)), logits_of(whole))


def test_prediction_is_the_mean_over_the_turned_views(tmp_path):
    short = TorchTraining(epochs=1, batch_size=8, precision="fp32")
    model = run(tmp_path / "checkpoint.pt", EXPERIMENT.model_copy(update={"train": short})).fold.network.network
    eight = prediction_settings(EXPERIMENT.model_copy(update={"tta": 8, "train": short}))
    turned = [np.rot90(IMAGES[60:], k, axes=(1, 2))[:, :, ::flip] for k in range(4) for flip in (1, -1)]
    with torch.inference_mode():
        expected = np.mean([model(torch.from_numpy(np.ascontiguousarray(images))).numpy() for images in turned], axis=0)
    found = Predictor(model, eight, RGBY, torch.device("cpu"))(IMAGES, np.arange(60, 80))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_classes_without_an_image_and_tiny_folds_are_no_error(tmp_path):
    labels = np.c_[LABELS, np.zeros((80, 2), bool)]
    trained = run(tmp_path / "checkpoint.pt", data=FoldData(IMAGES, labels, np.arange(3), RGBY))
    assert np.isfinite(logits_of(trained)).all()
