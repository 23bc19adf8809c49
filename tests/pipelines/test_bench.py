"""`make bench`: paired measurements against known durations, and the two sides of each comparison against each other."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from comp.base.processes import cores
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.competition.labels import LabelSpace
from comp.images.input_channels import InputChannels
from comp.images.torch_batches import epoch_of
from comp.metrics.f1_search import best_thresholds
from comp.metrics.macro_f1 import macro_f1
from comp.training.torch_trainer import train
from comp.training.trainer import FoldData, Run
from tests.benchmarks import folds, full_size, gpu, keras, predicting, thresholds, validation
from tests.benchmarks.bare import BareLoop, batches_in_memory
from tests.benchmarks.decoding import DecodedImages, loader
from tests.benchmarks.inputs import filled, label_table, repeated, synthetic_images
from tests.benchmarks.memory import anonymous_memory
from tests.benchmarks.paired import Ratio, alternate, timed
from tests.benchmarks.results import Result, at_least, at_most, table
from tests.benchmarks.stored_forms import CODECS
from tests.benchmarks.training import Plan, one_process

ROOT = Path(__file__).parents[2]
ROWS = 48
EXPERIMENT = TorchExperiment(
    model="tiny", backbone="test_resnet", initial_weights="scratch", size=32, train=TorchTraining(epochs=1, batch_size=16, precision="fp32")
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data() -> FoldData:
    images = np.random.default_rng(0).integers(0, 256, (ROWS, 32, 32, 4), dtype=np.uint8)
    return FoldData(images, label_table(ROWS), np.arange(ROWS), InputChannels((0, 1, 2, 3)))


def test_a_slowdown_of_the_whole_machine_does_not_change_the_ratio():
    slowdown = itertools.count(1.0, 0.5)  # twenty times slower at the end than at the start

    def round_of(seconds: float) -> Callable[[], float]:
        rounds = iter([seconds * next(speeds) for _ in range(41)])
        return lambda: next(rounds)

    values = [next(slowdown) for _ in range(41)]
    speeds = iter(values * 2)
    seconds = alternate({"slow": round_of(3.0), "fast": round_of(1.5)}, 40, "test")
    np.testing.assert_allclose(seconds["slow"], 3.0 * np.array(values[1:]))  # without the round that warms up
    ratio = Ratio.of(seconds["slow"], seconds["fast"])
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((2, 2, 2))


def test_every_side_takes_every_place_in_a_round():
    calls = []
    sides = {name: (lambda name=name: (calls.append(name), 1.0)[1]) for name in "abc"}
    alternate(sides, 5, "test")
    assert ["".join(calls[start : start + 3]) for start in range(0, 18, 3)] == ["abc", "bca", "cab", "abc", "bca", "cab"]


def test_a_timed_side_counts_all_of_its_work():
    now = [10.0]

    def work() -> None:
        now[0] += 2.5

    side = timed(work, clock=lambda: now[0])
    assert [side(), side()] == [2.5, 2.5]


def test_one_outlier_moves_neither_median_nor_interval_far():
    generator = np.random.default_rng(0)
    denominator = np.full(51, 1.0)
    numerator = 1.2 + 0.02 * generator.standard_normal(51)
    numerator[3] = 90.0
    ratio = Ratio.of(numerator, denominator)
    assert ratio.median == np.median(numerator)
    assert 1.18 < ratio.low < ratio.median < ratio.high < 1.22


def test_the_interval_covers_the_true_median_at_its_nominal_rate():
    generator = np.random.default_rng(1)
    found = [Ratio.of(generator.lognormal(0, 0.1, 25), np.ones(25)) for _ in range(300)]
    assert 0.91 < np.mean([ratio.low <= 1 <= ratio.high for ratio in found]) < 0.99


def test_the_table_shows_which_limits_are_reached():
    same = Ratio(1.0, 0.99, 1.01)
    half = Ratio(0.5, 0.4, 0.6)
    lines = table([at_least(0.97, "good", same, same, "a note"), at_most(0.4, "bad", half, same, ""), Result("peer", "0.8")]).splitlines()
    assert " ".join(lines[1].split()) == "good 1.000 (0.990 to 1.010) 1.000 (0.990 to 1.010) >= 0.97 yes"
    assert lines[2].endswith("<= 0.4   NO")
    assert lines[3].split() == ["peer", "0.8"]
    assert "good: a note" in lines
    assert lines[-1] == "NOT reached: bad"
    assert table([at_least(0.97, "good", same, same, "")]).endswith("1 of 1 limits reached")


def test_classes_are_about_as_frequent_as_in_the_competition():
    if "HPA_SHARED" not in os.environ:
        pytest.skip("HPA_SHARED is not set: no real train.csv")
    path = Path(os.environ["HPA_SHARED"], "hpa-tables", "train.csv")
    real = pd.read_csv(path)
    counts = LabelSpace.numbered([f"c{number}" for number in range(28)]).multi_hot(real["Target"], real["Id"].tolist(), str(path)).sum(0)
    ours = label_table()
    assert ours.shape == (len(real), 28)
    assert (ours.sum(0) > 0).all()
    np.testing.assert_allclose(ours.sum(0)[counts > 100], counts[counts > 100], rtol=0.5)
    assert np.median(abs(ours.sum(0) / counts - 1)) < 0.15


def test_both_threshold_searches_reach_the_same_score():
    labels = label_table(3_000)
    labels = labels[:, labels.any(axis=0)]  # scikit-learn warns of empty classes
    scores = thresholds.synthetic_scores(labels)
    ours, theirs = (macro_f1(labels, scores >= find(scores, labels)) for find in (best_thresholds, thresholds.theirs))
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert ours > macro_f1(labels, scores >= 0) + 0.01


def test_both_fold_maps_split_the_rows_and_ours_is_as_balanced():
    labels = label_table(3_000)
    ours, theirs = folds.ours([f"{row:08d}" for row in range(3_000)], labels), folds.theirs(labels)
    assert set(ours) == set(theirs) == set(range(folds.COUNT))
    assert folds.worst_deviation(labels, ours) <= folds.worst_deviation(labels, theirs)
    uneven = np.zeros((10, 1), bool)
    uneven[:5] = True
    assert folds.worst_deviation(uneven, np.repeat(np.arange(5), 2)) == 1.0  # counts 2, 2, 1, 0, 0 around a share of 1


def test_the_bare_loop_computes_what_the_trainer_computes(data, tmp_path):
    trained = train(EXPERIMENT, data, Run(0, "cpu", tmp_path / "checkpoint.pt", {"run": "this"}, "scratch"))
    bare = BareLoop(EXPERIMENT, data)
    for images, labels, _ in epoch_of(data.batches(EXPERIMENT, 0), 0):
        bare.step(bare.model, images, labels)
    assert bare.done == bare.steps == ROWS // 16
    assert set(trained.weights.tensors) == set(bare.ema.module.state_dict())
    for name, value in trained.weights.tensors.items():
        torch.testing.assert_close(bare.ema.module.state_dict()[name], torch.from_numpy(value), rtol=0, atol=0)


def test_batches_in_memory_equal_the_networks_normalised_images(data):
    bare = BareLoop(EXPERIMENT, data)
    (images, labels), *_ = made = batches_in_memory(bare.model, data, 16)
    assert len(made) == 3
    assert images.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(labels.bool(), data.labels[:16])
    bare.model.eval()
    with torch.inference_mode():
        torch.testing.assert_close(bare.model.backbone(images), bare.model(torch.from_numpy(data.images[:16])))


def test_steps_take_one_more_batch_than_they_train_on(data):
    bare = BareLoop(EXPERIMENT, data)
    batches = iter(batches_in_memory(bare.model, data, 16))
    assert bare.seconds(bare.model.backbone, batches, 2) > 0
    assert bare.done == 2
    assert next(batches, None) is None


@pytest.mark.parametrize("workers", [0, 1])
def test_the_loader_decodes_the_images_of_the_cache(tmp_path, workers):
    files = repeated(synthetic_images(tmp_path, 64, 6), 6)
    cache = filled(tmp_path / "cache", files, 32)
    labels = label_table(6)
    batches = loader(DecodedImages(list(files.values()), labels, 32), 4, 3, workers)
    turned = {
        np.rot90(mirrored, quarters).tobytes(): row
        for row, image in enumerate(cache.images)
        for mirrored in (image, image[::-1])
        for quarters in range(4)
    }
    for _ in range(2):  # the workers stay for the second iteration
        read = list(batches)
        assert len(read) == 3
        for images, read_labels in read:
            rows = [turned[image.numpy().tobytes()] for image in images]
            np.testing.assert_array_equal(read_labels.bool(), labels[rows])


def test_anonymous_memory_does_not_include_mapped_files(tmp_path):
    np.ones(50_000_000, np.uint8).tofile(tmp_path / "file")
    before = anonymous_memory()
    assert np.memmap(tmp_path / "file", np.uint8, "r").sum() == 50_000_000
    mapped = anonymous_memory()
    held = np.ones(50_000_000, np.uint8)
    assert anonymous_memory() - mapped > 45_000_000 > held.nbytes / 2
    assert mapped - before < 10_000_000


def test_all_sides_of_the_training_measurement_take_their_turns(tmp_path):
    plan = Plan("test_resnet", 32, 64, tmp_path, rounds=3, steps=2, loader_rounds=2, loader_steps=1)
    filled(tmp_path / "training-32", repeated(synthetic_images(tmp_path, 64), plan.rows), 32)
    met = []
    seconds = one_process(plan, 1, lambda: met.append(1))
    assert {side: len(values) for side, values in seconds.items()} == {
        "trainer": 3, "bare": 3, "control": 3, "bare with loaders": 2, "no worker": 2, "one worker": 2,
    }  # fmt: skip
    assert all((values > 0).all() for values in seconds.values())
    assert len(met) == 4 * 3 + 3 * 3  # before every turn of a side, including the warm-up rounds


def test_the_share_of_validation_is_measured_on_a_tenth_of_the_images(tmp_path):
    (result,) = validation.measure(tmp_path, ("test_resnet",), size=32, pixels=64, rows=2 * 16, limit=1.0)
    assert "3 images validated in" in result.note
    assert "32 trained on" in result.note
    assert result.reached
    assert 0 < float(result.measured) < 1


def test_all_sides_of_the_measurement_of_prediction_take_their_turns(tmp_path):
    plan = predicting.Plan(tmp_path, "test_resnet", size=32, pixels=64, rows=48, rounds=2)
    filled(tmp_path / "predicting-32", repeated(synthetic_images(tmp_path, 64), plan.rows), 32)
    met = []
    seconds = predicting.one_process(plan, 1, lambda: met.append(1))
    sides = {"bare", "control", "predictor", "files", "plain loop over files"}
    assert {side: len(values) for side, values in seconds.items()} == dict.fromkeys(sides, 2)
    assert len(met) == 3 * 5


def test_every_form_of_stored_images_is_read_right_warm_and_cold(tmp_path, capsys):
    source, images = full_size.images_at(tmp_path, 32)
    assert source == "8 synthetic images"
    forms = full_size.stored(tmp_path, images, 40)
    right = np.stack(list(full_size.turned(images, 40)))
    assert len(np.unique(right.reshape(40, -1), axis=0)) == 40
    assert set(forms) > {"memory map", "cache, raw", "cache, compressed", *CODECS}
    for form in forms.values():
        full_size.drop(form.path)
        np.testing.assert_array_equal(form.open()[np.array([7, 39, 0])], right[[7, 39, 0]])

    results = full_size.measure(tmp_path, {32: 40}, rounds=1)
    printed = capsys.readouterr().out
    assert "32 px, 8 synthetic images, 40 in a file, batches of 32, images/s" in printed
    line = next(line for line in printed.splitlines() if line.startswith("cache, raw "))
    taken, ratio, *rates = line.removeprefix("cache, raw").split()
    assert (taken, ratio) == ("4", "1.00")
    assert len(rates) == 2 * sum(number <= cores() for number in full_size.THREADS)
    assert all(float(rate.replace(",", "")) > 0 for rate in rates)
    assert "32 px, cold, 1 thread, speed: cache, compressed / memory map" in [result.name for result in results]
    assert not (tmp_path / "full-size-32").exists()


def test_all_sides_of_the_keras_measurement_take_their_turns(tmp_path):
    plan = keras.Plan(tmp_path, "AllCNN", size=16, batch=4, steps=2, rounds=2)
    images = filled(tmp_path / "keras-16", repeated(synthetic_images(tmp_path, 64), plan.images), 16).images
    met = []
    seconds = keras.one_process(plan, 1, lambda: met.append(1))
    assert {side: len(values) for side, values in seconds.items()} == {"dataset": 2, "arrays": 2, "arrays again": 2}
    assert len(images) == 8
    assert len(met) == 3 * 3


def bench(*arguments: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_command_prints_the_table_and_leaves_nothing_behind(tmp_path):
    ended = bench("--only", "thresholds", temporary=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "measuring thresholds" in ended.stdout
    assert "precision_recall_curve" in ended.stdout
    assert "limits reached" in ended.stdout or "NOT reached" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_measurement_is_refused(tmp_path):
    ended = bench("--only", "coffee", temporary=tmp_path)
    assert ended.returncode == 2
    assert "folds" in ended.stderr.splitlines()[-1]


def test_the_measurement_on_a_gpu_runs_on_a_cpu_too(tmp_path):
    small = gpu.Load("test_resnet", 32, batches=(2, 4), precisions=("bf16", "fp16"), compiled=(False,), rounds=2, steps=2, matrix=64)
    results = gpu.measure(tmp_path, small, device="cpu")
    rows = [one.name for one in results if one.limit]
    assert rows == [
        f"test_resnet 32 px, batch {batch}, {precision}: trainer / bare loop" for precision in ("bf16", "fp16") for batch in (2, 4)
    ]
    assert all(float(one.measured.partition(" ")[0]) > 0 for one in results)


def test_the_operations_of_a_network_are_counted(data):
    """A linear layer of 4 x 8 x 8 inputs to 3 outputs: a product forward, and two backward for weights and inputs."""
    bare = BareLoop(EXPERIMENT, data)
    bare.model.backbone = torch.nn.Sequential(torch.nn.Conv2d(4, 2, 1, bias=False), torch.nn.Flatten(), torch.nn.Linear(2 * 8 * 8, 3))
    convolution, linear = 2 * 4 * 2 * 64, 2 * 128 * 3
    assert gpu.operations(bare, gpu.Load(size=8)) == 2 * convolution + 3 * linear  # the images need no gradient


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(tmp_path):
    assert gpu.measure(tmp_path) == [Result("gpu", "no GPU here")]
