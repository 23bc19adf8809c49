"""The article's networks as a user trains them: killed and resumed, stacked with PyTorch networks, and in error."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import h5py
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from comp.base.quiet_tensorflow import keras
from comp.predictions.prediction_file import read_predictions
from tests.conftest import REPOSITORY

ALL_CNN = """
trainer: keras
backbone: AllCNN
initial_weights: scratch
size: 16
channels: {name: rgb}
train: {epochs: 3, batch_size: 4, lr: 1.0e-3}
"""


@pytest.fixture
def keras_project(project):
    (project.root / "configs/models/keras-tiny.yaml").write_text(ALL_CNN)
    return project


@pytest.fixture
def _one_process(monkeypatch):
    """Check networks in this process: a new process needs ten seconds to load TensorFlow."""
    monkeypatch.setattr("comp.training.prepare.in_own_process", lambda function, *arguments: function(*arguments))


def one_fold(*more):
    return ["fold", "--competition", "tiny", "--model", "keras-tiny", "--fold", "0", *more]


TRAIN_FOLD_0 = """
from comp.training.fold_job import FoldJob
from comp.training.train_fold import train_fold

train_fold(FoldJob("tiny", "keras-tiny", 0, checkpoint_minutes=0))
"""


@pytest.mark.usefixtures("_one_process")
def test_all_cnn_killed_and_resumed_ends_with_the_same_bytes_and_stacks_with_pytorch_networks(keras_project):
    project, folder = keras_project, keras_project.root / "oof/tiny/keras-tiny"
    for fold in ("1", "2"):
        assert project.call(*one_fold()[:-1], fold).returncode == 0
    both = project.type("models", "--competition", "tiny", "--models", "keras-tiny", "tiny", "--workers", "1")  # TensorFlow first
    assert both.returncode == 0, both.stderr
    stacked = project.call("stack", "--competition", "tiny")
    assert stacked.returncode == 0, stacked.stderr
    assert "stacking 2 models on 36 rows in 3 folds: keras-tiny, tiny" in stacked.stdout

    files = {name: (folder / name).read_bytes() for name in ("fold-0.parquet", "test-0.parquet")}
    provenance = read_predictions(folder / "fold-0.parquet").provenance
    assert (provenance.initial_weights, provenance.checkpoint, provenance.precision) == ("scratch", "last epoch", "fp32 on cpu")
    shutil.rmtree(folder)
    killed = subprocess.Popen(
        [sys.executable, "-c", TRAIN_FOLD_0],
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

    resumed = project.call(*one_fold())
    assert resumed.returncode == 0, resumed.stderr
    assert not list(project.root.rglob("*.part"))
    assert not checkpoint.exists()
    assert {path.name: path.read_bytes() for path in folder.glob("*.parquet")} == files


def test_a_mistake_found_in_a_process_of_its_own_is_one_line(keras_project):
    line = keras_project.refused(keras_project.call(*one_fold("--set", "backbone=AllCMM")))
    assert "configs/models/keras-tiny.yaml: there is no Keras network 'AllCMM': choose one of: AllCNN, " in line
    assert not (keras_project.root / "oof/tiny/keras-tiny").exists()


@pytest.mark.usefixtures("_one_process")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("backbone=InceptionResNetV2 size=64", 'Received: input_shape=(64, 64, 3)): SET="size=75" or more'),
        ("initial_weights=keras", "there are no ImageNet weights of AllCNN"),
        ("backbone=DenseNet121 initial_weights=nowhere.h5", "there is no file nowhere.h5"),
        ("initial_weights=some.h5", "there is no file some.h5"),
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


@pytest.mark.usefixtures("_one_process")
def test_a_fold_trained_with_keras_weights_is_complete_when_they_are_gone_and_the_next_one_needs_them(keras_project, monkeypatch):
    project, home, cached = keras_project, keras_project.root / "home", "models/mobilenet_1_0_224_tf_no_top.h5"
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(home))
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens
    settings = "backbone=MobileNet initial_weights=keras size=32 train.epochs=1"
    line = project.refused(project.call(*one_fold("--set", settings)))
    assert "MobileNet: its ImageNet weights are not in Keras's cache, and they cannot be downloaded" in line
    assert not (project.root / "oof").exists()

    (home / cached).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(home / cached, "w") as file:
        save_weights_to_hdf5_group(file, keras.applications.MobileNet(include_top=False, weights=None))
    trained = project.call(*one_fold("--set", settings))
    assert trained.returncode == 0, trained.stderr
    (home / cached).unlink()
    path = project.root / "oof/tiny/keras-tiny/fold-0.parquet"
    before = path.read_bytes()
    assert read_predictions(path).provenance.initial_weights == "keras MobileNet"
    assert "keras-tiny fold 0: complete, nothing to do" in project.call(*one_fold("--set", settings)).stdout
    assert path.read_bytes() == before
    path.unlink()
    assert "keras-tiny fold 0: trained already" in project.call(*one_fold("--set", settings)).stdout
    assert path.read_bytes() == before
    path.unlink()
    path.with_name("weights-0.safetensors").unlink()
    assert "are not in Keras's cache" in project.refused(project.call(*one_fold("--set", settings)))


def test_without_tensorflow_one_line_says_how_to_install_it(keras_project, tmp_path):
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    for name in ("keras", "tensorflow"):
        (lacking / f"{name}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n")
    line = keras_project.refused(keras_project.type(*one_fold(), PYTHONPATH=f"{lacking}{os.pathsep}{REPOSITORY}"))
    assert "keras-tiny: the Python package 'keras' is missing in " in line
    assert " -m pip install " in line


@pytest.mark.usefixtures("_one_process")
def test_the_error_for_a_diverging_network_says_what_to_type(keras_project):
    settings = "train.lr=1e30 train.batch_size=2 train.epochs=30"
    line = keras_project.refused(keras_project.call(*one_fold("--set", settings)))
    assert "keras-tiny fold 0: training diverged, the loss is nan in epoch 1 (there is no good epoch before it)" in line
    assert line.endswith('lower the learning rate: SET="train.lr=3.3e+29"')


def test_a_competition_trains_pytorch_models_without_loading_tensorflow(project):
    code = (
        "import sys; from comp.training.fold_job import FoldJob; from comp.training.prepare import prepare; "
        "prepare([FoldJob('tiny', 'tiny', 0)]); "
        "assert 'torch' in sys.modules and 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
