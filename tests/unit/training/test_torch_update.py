"""One update: fp16 with scaled losses, parts of a batch, gradient checkpointing, memory that is too small, compilation."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from comp.base.errors import CompError
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.models.precision import resolve_precision
from comp.training.torch_trainer import train
from comp.training.torch_update import Update, parts
from comp.training.trainer import Run
from tests.conftest import REPOSITORY
from tests.unit.training.killed import killed_at
from tests.unit.training.test_torch_trainer import DATA, EXPERIMENT

CPU = torch.device("cpu")
NO_BATCH_NORM = TorchExperiment(
    model="tiny", backbone="test_convnext", initial_weights="scratch", size=32, train=TorchTraining(epochs=2, batch_size=8, lr=1e-3)
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def changed(experiment, **train_settings):
    settings = {**experiment.model_dump()["train"], **train_settings}
    return experiment.model_copy(update={"train": TorchTraining(**settings)})


def trained(experiment, folder, minutes=60.0):
    return train(experiment, DATA, Run(0, "cpu", folder / "checkpoint.pt", {"run": "this"}, "scratch", minutes))


def batch(count=8, width=3):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, width, generator=generator)
    return images, (torch.rand(count, 2, generator=generator) < 0.5).float(), torch.arange(count)


def update_of(model, loss, **settings):
    experiment = changed(EXPERIMENT, clip_norm=1e9, **settings)
    return Update(model, lambda output, labels, _: loss(output.float(), labels), torch.optim.SGD(model.parameters(), 0.1), experiment, CPU)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 20])
def test_parts_hold_every_image_once_in_order(count):
    made = list(parts(batch(), count))
    assert len(made) == min(count, 8)
    for position, whole in enumerate(batch()):
        assert torch.equal(torch.cat([part[position] for part in made]), whole)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_the_gradients_of_parts_add_up_to_those_of_the_batch(count):
    losses, weights = [], []
    for accumulate in (1, count):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        losses.append(update_of(model, nn.BCEWithLogitsLoss(), accumulate=accumulate, precision="fp32")(batch()))
        weights.append(model.weight.detach().clone())
    torch.testing.assert_close(*losses, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-7)


def test_a_network_trained_in_parts_has_the_losses_of_whole_batches(tmp_path):
    whole = trained(NO_BATCH_NORM, tmp_path / "whole")
    in_parts = trained(changed(NO_BATCH_NORM, accumulate=4), tmp_path / "parts")
    np.testing.assert_allclose(in_parts.losses, whole.losses, rtol=1e-4)


def test_gradient_checkpointing_changes_no_loss(tmp_path):
    kept = trained(NO_BATCH_NORM, tmp_path / "kept")
    again = trained(changed(NO_BATCH_NORM, grad_checkpointing=True), tmp_path / "again")
    np.testing.assert_allclose(again.losses, kept.losses, rtol=1e-5)


def test_updates_that_overflow_are_left_out_and_counted():
    """The gradient of the weight is `LARGE` exactly. fp16 ends at 65,504, so it overflows until the scale of 65,536 is halved enough."""
    large, model = 1000.0, nn.Linear(1, 1, bias=False)
    update = update_of(model, lambda output, labels: output.mean(), precision="fp16")
    made = (torch.full((4, 1), large), torch.zeros(4, 1), torch.arange(4))
    before, changed_at = model.weight.item(), []
    for step in range(20):
        update(made)
        if model.weight.item() != before:
            changed_at.append(step)
        before = model.weight.item()
    scale, overflows = 65_536.0, 0
    while scale * large > torch.finfo(torch.float16).max:
        scale, overflows = scale / 2, overflows + 1
    assert overflows > 5
    assert int(update.skipped) == overflows
    assert changed_at == list(range(overflows, 20))
    assert update.scaler.get_scale() == scale


def test_bf16_and_fp32_skip_nothing(tmp_path):
    for precision in ("bf16", "fp32"):
        assert trained(changed(EXPERIMENT, epochs=1, precision=precision), tmp_path / precision).skipped is None


def test_fp16_learns_as_fp32_does(tmp_path):
    """Its losses differ from those of fp32 by less than fp32's do with another seed."""
    full, half = (trained(changed(EXPERIMENT, precision=precision), tmp_path / precision) for precision in ("fp32", "fp16"))
    other = trained(changed(EXPERIMENT, precision="fp32").model_copy(update={"seed": 1}), tmp_path / "other")
    assert half.skipped is not None
    assert half.skipped < 5
    assert half.losses != full.losses
    noise = np.abs(np.subtract(other.losses, full.losses))
    assert np.abs(np.subtract(half.losses, full.losses)).mean() < noise.mean()


def test_fp16_resumes_with_its_scale(tmp_path):
    experiment = changed(EXPERIMENT, precision="fp16", epochs=3)
    whole = trained(experiment, tmp_path / "whole")
    with killed_at(step=10):
        trained(experiment, tmp_path / "killed", minutes=0)
    resumed = trained(experiment, tmp_path / "killed")
    assert (resumed.losses, resumed.skipped) == (whole.losses, whole.skipped)
    for name, tensor in whole.weights.tensors.items():
        assert np.array_equal(resumed.weights.tensors[name], tensor), name


@dataclass
class Gpu:
    type: str = "cuda"


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_without_bf16_computes_in_fp16(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert resolve_precision("auto", torch.device("cuda")) == expected
    assert resolve_precision("auto", torch.device("mps")) == "fp32"
    assert resolve_precision("fp32", torch.device("cuda")) == "fp32"


def test_batches_that_cannot_be_cut_are_refused():
    with pytest.raises(ValueError, match="a batch of 8 cannot be cut into 3 equal parts"):
        TorchTraining(batch_size=8, accumulate=3)


MEMORY = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from comp.base.errors import CompError
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.images.input_channels import InputChannels
from comp.training.torch_trainer import train
from comp.training.trainer import FoldData, Run
generator = np.random.default_rng(0)
images, labels = generator.integers(0, 255, (32, 256, 256, 4), dtype=np.uint8), generator.random((32, 3)) < 0.5
data = FoldData(images, labels, np.arange(32), InputChannels((0, 1, 2, 3)))

def trained(folder, data, batch_size, accumulate):
    settings = TorchTraining(epochs=1, batch_size=batch_size, precision="fp32", accumulate=accumulate)
    experiment = TorchExperiment(model="tiny", backbone="test_resnet", initial_weights="scratch", size=256, train=settings)
    try:
        train(experiment, data, Run(0, "cpu", Path(sys.argv[1]) / folder / "checkpoint", {"run": "this"}, "scratch"))
    except CompError as error:
        print(error)
    else:
        print("trained")

trained("few", replace(data, train=np.arange(2)), 2, 1)  # loads what is loaded once
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]) * 2**20,) * 2)
trained("whole", data, 32, 1)
trained("parts", data, 32, 8)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_a_batch_that_memory_does_not_hold_is_one_line_and_parts_of_it_train(tmp_path):
    ended = subprocess.run([sys.executable, "-c", MEMORY, tmp_path, "400"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    few, whole, in_parts = ended.stdout.splitlines()
    assert whole.startswith("tiny: a batch of 32 images of 256 px needs more memory than CPU ")
    assert (few, in_parts) == ("trained", "trained")


class Holds(nn.Linear):
    """Runs out of memory, as a GPU does, with more than some number of images."""

    def __init__(self, images):
        super().__init__(3, 2)
        self.images = images

    def forward(self, images):
        if len(images) > self.images:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(images)


@pytest.mark.parametrize(
    ("holds", "settings", "then"),
    [
        (4, {}, 'the same batch in 2 parts fits: SET="train.accumulate=2"'),
        (3, {}, 'the same batch in 4 parts fits: SET="train.accumulate=4"'),
        (1, {}, 'the same batch in 8 parts fits: SET="train.accumulate=8"'),
        (2, {"accumulate": 2}, 'the same batch in 4 parts fits: SET="train.accumulate=4"'),
        (0, {}, 'smaller parts do not fit either; SET="train.grad_checkpointing=true" needs less, or take a smaller size'),
        (0, {"grad_checkpointing": True}, 'take smaller images: SET="size=16"'),
    ],
)
def test_too_little_memory_names_a_setting_that_fits(holds, settings, then):
    settings = {"batch_size": 8, "precision": "fp32", **settings}
    with pytest.raises(CompError) as told:
        update_of(Holds(holds), nn.BCEWithLogitsLoss(), **settings)(batch())
    assert str(told.value).startswith("tiny: a batch of 8 images of 32 px needs more memory than CPU ")
    assert str(told.value).endswith(f" has: {then}")
    if "accumulate" in then:
        fits = {**settings, "accumulate": int(then.split("=")[-1].strip('"'))}
        assert update_of(Holds(holds), nn.BCEWithLogitsLoss(), **fits)(batch()).isfinite()


def test_a_compiled_network_has_the_losses_of_one_that_is_not(tmp_path, monkeypatch):
    compiling = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda model: compiling(model, backend="aot_eager"))  # needs no C++ compiler
    compiled = trained(changed(NO_BATCH_NORM, compile=True, epochs=1), tmp_path / "compiled")
    plain = trained(changed(NO_BATCH_NORM, epochs=1), tmp_path / "plain")
    np.testing.assert_allclose(compiled.losses, plain.losses, rtol=1e-4)
    assert list(compiled.weights.tensors) == list(plain.weights.tensors)


def test_a_network_that_cannot_be_compiled_is_one_line(tmp_path, monkeypatch):
    def backend(graph, inputs):
        raise OSError("no compiler")

    compiling = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda model: compiling(model, backend=backend))
    with pytest.raises(CompError, match=r"tiny could not be compiled \(.*no compiler.*\): leave train.compile out"):
        trained(changed(NO_BATCH_NORM, compile=True, epochs=1), tmp_path)
