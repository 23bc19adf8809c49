"""Training that is watched: the same result with and without, the numbers are right, and a run that diverges leaves no bad checkpoint."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, log_loss
from torch import nn

from comp.base.errors import CompError
from comp.base.progress import LogBar
from comp.base.schema import parse, parse_settings
from comp.competition.experiments.experiment import NetworkExperiment, Training
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.inference.torch_network import Predictor
from comp.training import cascade_trainer, metric_trainer, torch_optimizer, torch_trainer
from comp.training.checkpoint_file import read_checkpoint
from comp.training.curve import COLUMNS, read_curve
from comp.training.monitor import Monitor, Watched
from comp.training.trainer import Run, one_view
from comp.training.validation import ValidationPlan
from tests.unit.training import test_cascade_trainer, test_metric_trainer, test_torch_trainer
from tests.unit.training.killed import killed_at
from tests.unit.training.ready import Ready

TRAINERS = {"torch": (torch_trainer, test_torch_trainer), "metric": (metric_trainer, test_metric_trainer),
            "cascade": (cascade_trainer, test_cascade_trainer)}  # fmt: skip
TIMES = {"seconds", "validation_seconds"}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def train(kind, folder, validate=10, minutes=60.0, epochs=16):
    """A run of the trainer's own test, longer and with dropout, validated on its held-out rows."""
    trainer, test = TRAINERS[kind]
    rows = np.arange(len(test.DATA.train), len(test.DATA.images))
    training = test.EXPERIMENT.train.model_copy(update={"epochs": epochs, "validations": validate})
    experiment = test.EXPERIMENT.model_copy(update={"train": training, "dropout": 0.3})
    run = Run(0, "cpu", folder / "checkpoint.pt", {"run": "this"}, "scratch", minutes)
    data = replace(test.DATA, held_out=rows)
    return Ready(trainer.train(experiment, data, run), experiment, data), read_curve(run.curve)


def predictions(kind, trained):
    data = TRAINERS[kind][1].DATA
    return trained.predict(data.images, np.arange(len(data.images)), *([data.aux_features] if kind == "cascade" else []))


@pytest.mark.parametrize("kind", TRAINERS)
def test_validation_changes_no_prediction_also_when_killed_and_resumed(kind, tmp_path):
    without, _ = train(kind, tmp_path / "without", validate=0, epochs=11)
    trained, curve = train(kind, tmp_path / "with", epochs=11)
    np.testing.assert_array_equal(predictions(kind, trained), predictions(kind, without))
    assert trained.losses == without.losses
    validated = [row for row in curve if "validation_seconds" in row]
    assert 2 <= len(validated) <= 10

    step = int(validated[1]["step"]) - 1  # the next step validates
    with killed_at(step):
        train(kind, tmp_path / "killed", minutes=0, epochs=11)
    torch.manual_seed(99)
    resumed, continued = train(kind, tmp_path / "killed", epochs=11)
    np.testing.assert_array_equal(predictions(kind, resumed), predictions(kind, trained))
    assert [without_times(row) for row in continued] == [without_times(row) for row in curve]


def without_times(row):
    return {name: value for name, value in row.items() if name not in TIMES}


def test_the_curve_holds_the_loss_and_the_score_of_the_weights_that_predict(tmp_path):
    trained, curve = train("torch", tmp_path)
    data, experiment = test_torch_trainer.DATA, test_torch_trainer.EXPERIMENT
    assert tuple((tmp_path / "curve.csv").read_text().splitlines()[0].split(",")) == COLUMNS
    assert [row["training_loss"] for row in curve if row["step"] % 7 == 0] == pytest.approx(trained.losses)
    assert [(row["epoch"], row["images"]) for row in curve] == [(-(-row["step"] // 7), 8 * row["step"]) for row in curve]
    last = curve[-1]
    rows = ValidationPlan.of(10, 16 * 7, 8, np.arange(60, 80)).rows
    network = trained.fold.network.network
    logits = Predictor(network, one_view(experiment), data.channels, torch.device("cpu"))(data.images, rows)
    probs = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = np.mean([log_loss(data.labels[rows, k], probs[:, k], labels=[False, True]) for k in range(3)])
    assert last["validation_loss"] == pytest.approx(expected, rel=1e-4)
    assert last["macro_f1"] == pytest.approx(f1_score(data.labels[rows], logits > 0, average="macro", zero_division=0))
    assert "votes_average_precision" not in last
    seconds = [row["validation_seconds"] for row in curve if "validation_seconds" in row]
    assert seconds == sorted(seconds)
    assert trained.seconds == pytest.approx(curve[-1]["seconds"], abs=0.5)


def test_embeddings_are_validated_by_their_votes_on_each_other(tmp_path):
    trained, curve = train("metric", tmp_path)
    test = test_metric_trainer
    rows = ValidationPlan.of(10, 16 * 8, 8, np.arange(64, 96)).rows
    vectors = trained.embed(test.IMAGES)[rows]
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :5]
    weight = np.exp((np.take_along_axis(similarity, nearest, axis=1) - 1) / test.EXPERIMENT.votes.temperature)
    labels = test.LABELS[rows]
    prior = (labels.sum(axis=0) + 0.5) / (len(rows) + 1)
    votes = (weight[:, :, None] * labels[nearest]).sum(axis=1) + 0.01 * prior
    votes /= weight.sum(axis=1, keepdims=True) + 0.01
    assert curve[-1]["votes_average_precision"] == pytest.approx(average_precision_score(labels, votes, average="macro"), abs=0.02)
    assert curve[-1]["votes_average_precision"] > 0.9
    assert "validation_loss" not in curve[-1]


def test_how_often_it_is_validated_is_no_part_of_the_experiment():
    one, other = (TorchExperiment(model="m", backbone="b", train=TorchTraining(validate=times)) for times in (0, 10))
    assert (one.train.validations, other.train.validations) == (0, 10)
    assert one.hash == other.hash
    assert one.model_dump() == other.model_dump()
    set_to = parse(TorchExperiment, {"model": "m", "backbone": "b", **parse_settings("train.validate=3")}, "SET")
    assert set_to.train.validations == 3
    for wrong in ("-1", "often", "1001"):
        with pytest.raises(CompError, match=r"SET: train.validate = .* does not fit"):
            parse(TorchExperiment, {"model": "m", "backbone": "b", **parse_settings(f"train.validate={wrong}")}, "SET")
    with pytest.raises(CompError, match="did you mean 'validate'"):
        parse(TorchExperiment, {"model": "m", "backbone": "b", **parse_settings("train.validat=3")}, "SET")


def finite(checkpoint):
    state = torch.load(io.BytesIO(read_checkpoint(Run(0, "cpu", checkpoint, {"run": "this"}, "scratch"))), weights_only=True)
    tensors = [value for part in ("model", "ema") for value in state[part].values() if value.is_floating_point()]
    return state["step"], all(torch.isfinite(value).all() for value in tensors)


@pytest.mark.parametrize("step", [0, 20, 21, 22])
def test_a_loss_that_is_not_finite_stops_before_a_checkpoint_and_a_retry_starts_from_the_good_one(tmp_path, monkeypatch, step):
    """Seven steps an epoch; after `step` good ones the learning rate is far too high."""
    right = torch_optimizer.learning_rate
    with monkeypatch.context() as patched:
        patched.setattr(torch_optimizer, "learning_rate", lambda now, *schedule: 1e30 if now >= step else right(now, *schedule))
        with pytest.raises(CompError, match=r"tiny fold 0: training diverged, .* in epoch \d") as stopped:
            test_torch_trainer.run(tmp_path / "checkpoint.pt", minutes=0)
    good = (step + 1) // 7  # the first step at that rate still has a finite loss
    assert f"the last good epoch is {good}" in stopped.value.what if good else "there is no good epoch before it" in stopped.value.what
    assert 'SET="train.lr=0.0017"' in stopped.value.then
    if step:
        assert finite(tmp_path / "checkpoint.pt")[1]
        assert "checkpoint.pt is from before" in stopped.value.what
    with monkeypatch.context() as patched:  # as after every checkpoint of a good step
        patched.setattr(torch_optimizer, "learning_rate", lambda now, *schedule: 1e30 if now >= step else right(now, *schedule))
        with pytest.raises(CompError, match="training diverged"):
            test_torch_trainer.run(tmp_path / "checkpoint.pt", minutes=60)
    assert not step or finite(tmp_path / "checkpoint.pt")[1]


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_error_names_fp32_where_it_computed_in_bf16(tmp_path, precision):
    training = TorchTraining(epochs=6, batch_size=8, lr=1e30, warmup_epochs=0, precision=precision)
    with pytest.raises(CompError, match="training diverged") as stopped:
        test_torch_trainer.run(tmp_path / "checkpoint.pt", test_torch_trainer.EXPERIMENT.model_copy(update={"train": training}))
    assert ('SET="train.precision=fp32"' in stopped.value.then) == (precision == "bf16")
    typed = stopped.value.then.split('SET="')[1].split('"')[0]
    assert parse(NetworkExperimentOf, parse_settings(typed), "SET").train.lr == pytest.approx(1e30 / 3, rel=0.02)
    assert not (tmp_path / "checkpoint.pt").exists()


class NetworkExperimentOf(NetworkExperiment):
    model: str = "m"
    trainer: str = "torch"
    backbone: str = "b"
    initial_weights: str = "scratch"


def test_weights_that_an_infinite_gradient_has_spoilt_reach_no_checkpoint(tmp_path, monkeypatch):
    """The loss of the last step is finite, and its gradient is not: no later loss could tell."""
    last = 6 * 7 - 1
    clip = nn.utils.clip_grad_norm_
    calls = []

    def spoil(parameters, norm):
        parameters = list(parameters)
        if len(calls) == last:
            parameters[0].grad.fill_(float("inf"))
        calls.append(0)
        return clip(parameters, norm)

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", spoil)
    with pytest.raises(
        CompError, match=r"tiny fold 0: training diverged, a network weight is not finite in epoch 6 .*last good epoch is 5"
    ):
        test_torch_trainer.run(tmp_path / "checkpoint.pt", minutes=0)
    assert finite(tmp_path / "checkpoint.pt") == (last, True)
    monkeypatch.undo()
    resumed = test_torch_trainer.logits_of(test_torch_trainer.run(tmp_path / "checkpoint.pt"))
    np.testing.assert_array_equal(resumed, test_torch_trainer.logits_of(test_torch_trainer.run(tmp_path / "whole.pt")))


class Loss:
    """A sum of losses on a GPU: reading it waits for the GPU."""

    def __init__(self, value):
        self.value, self.reads = value, 0

    def __float__(self):
        self.reads += 1
        return self.value


class FakeState:
    """A run on a GPU, without one."""

    def __init__(self, loss):
        self.step, self.losses, self.loss_sum, self.seconds, self.saved = 0, [], Loss(loss), 0.0, 0

    def end_epoch(self, steps):
        self.losses.append(0.0)

    def save(self):
        self.saved += 1


def monitor_on_gpu(folder, state, minutes):
    experiment = TorchExperiment(model="m", backbone="b", train=TorchTraining(epochs=2, batch_size=1, precision="fp32"))
    run = Run(0, "cuda:0", folder / "checkpoint", {"run": "this"}, "scratch", minutes)
    return Monitor(experiment, run, test_torch_trainer.DATA, 1000, state, Watched(lambda rows: {}, lambda: True))


def test_no_step_waits_for_a_gpu(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("comp.training.monitor.time.monotonic", lambda: clock[0])
    state = FakeState(0.5)
    with monitor_on_gpu(tmp_path, state, 60.0) as monitor:
        monkeypatch.setattr(monitor.bar, "update", lambda steps: False)
        for _ in range(999):
            state.step += 1
            clock[0] += 0.005
            monitor.after_step(1e-3)
        assert state.loss_sum.reads == 4  # one a second
        state.step += 1
        monitor.after_step(1e-3)
        assert state.loss_sum.reads == 5  # at the end of the epoch
    assert state.saved == 0


@pytest.mark.parametrize("steps", [1, 1000])
def test_on_a_gpu_a_bad_loss_is_found_before_a_checkpoint_and_at_the_end_of_an_epoch(tmp_path, steps):
    state = FakeState(float("nan"))
    with monitor_on_gpu(tmp_path, state, minutes=0 if steps == 1 else 60.0) as monitor:
        state.step = steps - 1
        state.step += 1
        with pytest.raises(CompError, match="m fold 0: training diverged, the loss is nan in epoch 1"):
            monitor.after_step(1e-3)
    assert state.saved == 0
    assert state.losses == []


def test_the_bar_shows_the_newest_validation(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(LogBar, "update", lambda bar, count: True)
    monkeypatch.setattr(LogBar, "set_postfix_str", lambda bar, text, refresh: shown.append(text))
    _, curve = train("torch", tmp_path)
    first = next(number for number, row in enumerate(curve) if "macro_f1" in row)
    assert re.fullmatch(r"loss \d\.\d{4}", shown[0])
    newest = f"validation loss {curve[-1]['validation_loss']:.4f}, macro F1 {curve[-1]['macro_f1']:.4f}"
    assert shown[-1] == f"loss {curve[-1]['training_loss']:.4f}, {newest}"
    assert f"macro F1 {curve[first]['macro_f1']:.4f}" in shown[int(curve[first]["step"])]


def test_the_default_is_ten_validations():
    assert Training().validations == 10
