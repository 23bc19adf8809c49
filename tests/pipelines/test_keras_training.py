"""The article's networks as a user trains them: killed and gone on with, stacked with PyTorch's, and refused."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from comp.predictions import read_predictions
from tests.conftest import REPOSITORY

ALL_CNN = """
trainer: keras
backbone: AllCNN
weights: scratch
size: 16
channels: {name: rgb}
train: {epochs: 3, batch_size: 4, lr: 1.0e-3}
"""


@pytest.fixture
def keras_project(project):
    (project.root / "configs/models/keras-tiny.yaml").write_text(ALL_CNN)
    return project


def one_fold(*more):
    return ["fold", "--competition", "tiny", "--model", "keras-tiny", "--fold", "0", *more]


def test_all_cnn_killed_and_gone_on_with_ends_with_the_same_bytes_and_stacks_with_pytorchs(keras_project):
    project, folder = keras_project, keras_project.root / "oof/tiny/keras-tiny"
    killed = subprocess.Popen(
        project.command(*one_fold("--checkpoint-minutes", "0")),
        cwd=project.root, env=project.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    checkpoint = project.root / "runs/tiny/keras-tiny/fold-0/checkpoint.keras"
    while not checkpoint.exists():
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    assert not folder.exists()

    again = project.type(*one_fold())
    assert again.returncode == 0, again.stderr
    assert not list(project.root.rglob("*.part"))
    assert not checkpoint.exists()
    files = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    assert set(files) == {"fold-0.parquet", "test-0.parquet"}
    provenance = read_predictions(folder / "fold-0.parquet").provenance
    assert (provenance.weights, provenance.checkpoint, provenance.precision) == ("scratch", "last epoch", "fp32 on cpu")
    shutil.rmtree(folder)

    both = project.type("models", "--competition", "tiny", "--models", "keras-tiny", "tiny", "--workers", "2")  # TensorFlow first
    assert both.returncode == 0, both.stderr
    assert {name: (folder / name).read_bytes() for name in files} == files
    stacked = project.call("stack", "--competition", "tiny")
    assert stacked.returncode == 0, stacked.stderr
    assert "stacking 2 models on 36 rows in 3 folds: keras-tiny, tiny" in stacked.stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("backbone=AllCMM", "configs/models/keras-tiny.yaml: there is no Keras network 'AllCMM': choose one of: AllCNN, "),
        ("backbone=InceptionResNetV2 size=64", 'Received: input_shape=(64, 64, 3)): SET="size=75" or more'),
        ("weights=keras", "there are no ImageNet weights of AllCNN"),
        ("backbone=DenseNet121 weights=nowhere.h5", "there is no file nowhere.h5"),
        ("weights=some.h5", "there is no file some.h5"),
        ("channels=[]", "the list of channels is empty: this competition has red, green, blue, yellow"),
        ("labels=[]", "write names or numbers, [Nucleoplasm, 25], or {top: 9}"),
        ("train.ema=0.9", "unknown key 'train.ema'"),
        ("trainer=theano", "trainer = 'theano' does not fit"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(keras_project, settings, message):
    line = keras_project.refused(keras_project.call(*one_fold("--set", settings)))
    assert message in line
    assert not (keras_project.root / "oof/tiny/keras-tiny").exists()


def test_without_tensorflow_one_line_says_how_to_install_it(keras_project, tmp_path):
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    for name in ("keras", "tensorflow"):
        (lacking / f"{name}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n")
    line = keras_project.refused(keras_project.type(*one_fold(), PYTHONPATH=f"{lacking}{os.pathsep}{REPOSITORY}"))
    assert "keras-tiny needs the Python package 'keras', which is not installed: .venv/bin/python -m pip install" in line
    assert "--editable '.[keras]'" in line


def test_a_network_that_diverges_says_so_and_how_to_go_on(keras_project):
    settings = "train.lr=1e30 train.batch_size=2 train.epochs=30"
    line = keras_project.refused(keras_project.call(*one_fold("--set", settings)))
    assert "keras-tiny fold 0: the loss is nan after" in line
    assert 'lower the rate: SET="train.lr=..."' in line


def test_a_competition_trains_pytorch_models_without_loading_tensorflow(project):
    code = (
        "import sys; from pipelines.training import Request, prepare; prepare([Request('tiny', 'tiny', 0)]); "
        "assert 'torch' in sys.modules and 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
