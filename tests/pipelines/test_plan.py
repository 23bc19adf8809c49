"""`make plan`: its bytes against the files that are really written, its table, what will not fit, and that it leaves nothing behind."""

import re
import shutil
import tempfile
from contextlib import chdir
from dataclasses import replace

import pytest

from comp.competition.competition import load_competition
from comp.competition.experiments.load import load_network
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.training.fold_cost import FoldCost
from comp.training.fold_job import FoldJob
from comp.training.plan import Plan, plan_of
from comp.training.plan_inputs import PlanImages, planned_images
from comp.training.plan_table import plan_lines
from comp.training.run_record import read_record
from tests.pipelines.test_cascade import CASCADE
from tests.pipelines.test_neighbours import METRIC
from tests.unit.training.killed import killed_at

MODELS = {"near": METRIC, "cascade": CASCADE.replace("[near, nearer]", "[near]"), "votes": "trainer: neighbours\nembeddings: [near]\n"}
WITHIN = 0.05


@pytest.fixture
def models(project):
    for name, text in MODELS.items():
        (project.root / f"configs/models/{name}.yaml").write_text(text)
    return project


def planned(project, model="tiny", workers=1, settings=""):
    with chdir(project.root):
        return plan_of(FoldJob("tiny", model, 0, settings), workers, seconds=1.0)


def size_of(*paths):
    return sum(path.stat().st_size for path in paths)


def train(project, model):
    ended = project.call("fold", "--competition", "tiny", "--model", model, "--fold", "0")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("model", ["tiny", "near", "cascade"])
def test_bytes_are_those_of_the_files_that_are_written(models, model):
    if model == "cascade":
        train(models, "near")
    plan = planned(models, model)
    with killed_at(2):
        models.call("fold", "--competition", "tiny", "--model", model, "--fold", "0", "--checkpoint-minutes", "0")
    (checkpoint,) = (models.root / f"runs/tiny/{model}/fold-0").glob("checkpoint.*")
    assert plan.cost.checkpoint == pytest.approx(size_of(checkpoint), rel=WITHIN)
    train(models, model)
    weights = models.root / f"oof/tiny/{model}/weights-0.safetensors"
    others = [path for path in weights.parent.iterdir() if path != weights]
    assert plan.cost.weights == pytest.approx(size_of(weights), rel=WITHIN)
    assert plan.cost.predictions == pytest.approx(size_of(*others), rel=WITHIN)
    caches = models.root / "data/tiny.cache"
    files = [caches / f"{split}-32" / name for split in ("train", "test") for name in ("images.u8", "rows.bin")]
    assert plan.images.bytes == size_of(*files)
    record = read_record(weights.with_name("run-0.json"))
    assert 0.1 < plan.cost.seconds / record["seconds"] < 10
    assert plan.images.missing == (0 if model == "cascade" else 42)


def everything(root):
    return {path.relative_to(root): path.stat().st_mtime_ns for path in root.rglob("*")}


def test_it_needs_no_cache_or_fold_map_and_leaves_nothing_behind(models, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = everything(models.root)
    ended = models.call("plan", "--competition", "tiny", "--model", "tiny", "--workers", "2")
    assert ended.returncode == 0, ended.stderr
    assert everything(models.root) == before
    assert not list(folder.iterdir())
    said, head, *table = ended.stdout.splitlines()
    assert said == "timing some steps of tiny, in 2 processes side by side"
    assert head.startswith("tiny on tiny: 3 folds, 2 side by side, on CPU ")
    assert len(table) <= 12
    named = [re.split(r"  +", line.strip())[0] for line in table]
    assert named[1:10] == ["time", "training", "validation", "prediction", "image cache", "checkpoint", "weights", "predictions", "memory"]
    assert re.search(r"^  training +\S+ m?s +9 steps of 8 images in \S+ s$", "\n".join(table), re.MULTILINE)
    assert re.search(r"^image cache +175 kB +42 images at 32 px, \S+ s$", "\n".join(table), re.MULTILINE)
    assert table[-1].startswith("everything fits: ")


def test_keras_networks_are_planned_too(models):
    text = (
        "trainer: keras\nbackbone: AllCNN\ninitial_weights: scratch\nsize: 16\nchannels: {name: rgb}\ntrain: {epochs: 3, batch_size: 4}\n"
    )
    (models.root / "configs/models/keras-tiny.yaml").write_text(text)
    ended = models.type("plan", "--competition", "tiny", "--model", "keras-tiny", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"18 steps of 4 images in ", ended.stdout)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--model", "votes"), "votes trains no network, so there is nothing to plan: name a model that does"),
        (("--model", "nobody"), "there is no configs/models/nobody.yaml"),
        (("--model", "tiny", "--set", "backbone=nobody"), "timm has no"),
        (("--model", "tiny", "--set", "train.lr=1e30 train.batch_size=2"), "tiny fold 0: training diverged"),
    ],
)
def test_what_cannot_be_trained_is_one_line(models, arguments, line):
    assert line in models.refused(models.call("plan", "--competition", "tiny", "--workers", "1", *arguments))


def test_without_tables_one_line_says_how_to_get_them(models):
    (models.root / "data/tiny/train.csv").unlink()
    line = models.refused(models.call("plan", "--competition", "tiny", "--model", "tiny"))
    assert line == "error: there is no data/tiny/train.csv: get the data with: make data COMP=tiny"


COST = FoldCost(
    start=5.0, training=3600.0, validation=60.0, prediction=140.0, step=0.25, steps=14_400, images=2000, checkpoint=84_000_000,
    weights=28_000_000, predictions=500_000, memory=1_500_000_000, gpu=(11_000_000_000, 16_000_000_000), device="A GPU, bf16"
)  # fmt: skip


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = PlanImages(None, tmp_path / "none", (1000, 512, 512, 4), 2_000_000_000, 1_500_000_000, 1500, 0.02)
    experiment = TorchExperiment(model="net", backbone="test_resnet")
    return Plan(FoldJob("tiny", "net", 0), experiment, 5, 2, (COST, replace(COST, training=3000.0)), images, 10_000_000_000)


def test_the_slowest_process_counts_and_folds_go_in_rounds(plan):
    assert plan.cost == COST
    assert plan.seconds == pytest.approx(1500 * 0.02 + 3 * (5 + 3800))
    ((needed, free),) = plan.disks()
    assert needed == 1_500_000_000 + 5 * 28_500_000 + 2 * 2 * 84_000_000
    assert free == shutil.disk_usage(".").free
    assert "net on tiny: 5 folds, 2 side by side, on A GPU, bf16" in plan_lines(plan)
    lines = [re.split(r"  +", line) for line in plan_lines(plan)]
    assert ["time", "63.3 min", "3.2 h", "with start and image cache"] in lines
    assert ["GPU memory", "11.0 GB", "of 16.0 GB"] in lines


def test_without_images_their_time_is_not_known_and_the_rest_is(plan, models, tmp_path):
    shutil.rmtree(models.root / "data/tiny/train")
    with chdir(models.root):
        images = planned_images(load_competition("tiny"), load_network("tiny", load_competition("tiny")), tmp_path)
    assert (images.missing, images.seconds) == (42, None)
    lines = plan_lines(replace(plan, images=images))
    assert any(line.endswith("  42 images at 512 px; the time is not known, as images are missing") for line in lines)


def test_kept_weights_count_only_if_they_are_kept(plan):
    without = replace(plan, job=replace(plan.job, keep=False))
    assert plan.disks()[0][0] - without.disks()[0][0] == 5 * 28_000_000
    assert any(re.match(r"weights +28.0 MB +0 MB  removed after each fold, as KEEP=0 asks", line) for line in plan_lines(without))


def test_what_does_not_fit_is_said_with_what_to_type(plan):
    large = replace(plan, images=replace(plan.images, missing_bytes=10**18), free_memory=2_000_000_000)
    disk, memory = plan_lines(large)[-2:]
    assert re.fullmatch(r'will not fit: 1000000000.5 GB are to be written to a disk with \S+ GB free: .* SET="size=256"', disk)
    assert memory == "will not fit: 3.0 GB of memory, and 2.0 GB are free: WORKERS=1"
