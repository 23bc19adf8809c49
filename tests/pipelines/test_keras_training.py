"""The article's networks as a user trains them: killed and gone on with, stacked with PyTorch's, and refused."""

import shutil
import signal
import subprocess
import sys
import time

import pytest

from comp.predictions import read_predictions

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


def typed(project, model, *more):
    return ["models", "--competition", "tiny", "--models", model, "--workers", "1", *more]


def test_all_cnn_killed_and_gone_on_with_ends_with_the_same_bytes_and_stacks_with_pytorchs(keras_project):
    project, command = keras_project, typed(keras_project, "keras-tiny", "--checkpoint-minutes", "0")
    killed = subprocess.Popen(
        project.command(*command), cwd=project.root, env=project.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    checkpoint = project.root / "runs/tiny/keras-tiny/fold-1/checkpoint.keras"
    while not checkpoint.exists():
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    folder = project.root / "oof/tiny/keras-tiny"
    assert [path.name for path in sorted(folder.glob("fold-*.parquet"))] == ["fold-0.parquet"]

    again = project.type(*command)
    assert again.returncode == 0, again.stderr
    assert "keras-tiny fold 0: complete, nothing to do" in again.stdout
    assert not list(project.root.rglob("*.part"))
    files = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    assert len(files) == 6
    provenance = read_predictions(folder / "fold-1.parquet").provenance
    assert (provenance.weights, provenance.checkpoint, provenance.precision) == ("scratch", "last epoch", "fp32 on cpu")

    shutil.rmtree(folder)
    assert project.type(*command).returncode == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.parquet")} == files

    assert project.call(*typed(project, "tiny")).returncode == 0
    stacked = project.call("stack", "--competition", "tiny")
    assert stacked.returncode == 0, stacked.stderr
    assert "stacking 2 models on 36 rows in 3 folds: keras-tiny, tiny" in stacked.stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("backbone=AllCMM", "configs/models/keras-tiny.yaml: there is no Keras network 'AllCMM': choose one of: AllCNN, "),
        ("backbone=InceptionResNetV2 size=64", "InceptionResNetV2 at 64 px with weights 'scratch' cannot be built"),
        ("backbone=DenseNet121 weights=nowhere.h5", "there is no file nowhere.h5"),
        ("train.ema=0.9", "unknown key 'train.ema'"),
        ("trainer=theano", "trainer = 'theano' does not fit"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(keras_project, settings, message):
    line = keras_project.refused(keras_project.call(*typed(keras_project, "keras-tiny", "--set", settings)))
    assert message in line
    assert not (keras_project.root / "oof/tiny/keras-tiny").exists()


def test_without_tensorflow_one_line_says_how_to_install_it(keras_project):
    hide = "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; sys.argv[0] = 'fold'; import runpy; "
    code = hide + "runpy.run_module('pipelines.fold', run_name='__main__')"
    arguments = ["--competition", "tiny", "--model", "keras-tiny", "--fold", "0"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=keras_project.root, env=keras_project.environment(), text=True, capture_output=True, check=False,
    )  # fmt: skip
    line = keras_project.refused(ended)
    assert "keras-tiny needs the Python package 'keras', which is not installed: .venv/bin/python -m pip install" in line
    assert "'.[keras]'" in line


def test_a_competition_trains_pytorch_models_without_loading_tensorflow(project):
    code = (
        "import sys; from pipelines.training import Request, prepare; prepare([Request('tiny', 'tiny', 0)]); "
        "assert 'torch' in sys.modules and 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
