import socket
import time
import urllib.request

import h5py
import numpy as np
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from comp.base.errors import ConfigError
from comp.base.quiet_tensorflow import keras
from comp.competition.experiments.keras_experiment import KerasExperiment
from comp.models import keras_initial_weights
from comp.models.keras_networks import build_network
from comp.models.weight_sources import weights_source
from comp.training.keras_trainer import configure

PRIOR = np.full(28, 0.1)


@pytest.fixture(autouse=True)
def _one_thread():
    configure(1, "cpu")


def make(backbone="DenseNet121", size=96, weights="scratch", channels=3, source=None, dropout=0.5):
    experiment = KerasExperiment(model="net", trainer="keras", backbone=backbone, initial_weights=weights, size=size, dropout=dropout)
    return build_network(experiment, source or weights_source(weights, backbone, "keras"), channels, PRIOR)


def test_densenet121_and_the_head_have_the_articles_shapes_at_512():
    network = make(size=512)
    shapes = {name: tuple(network.get_layer(name).output.shape[1:]) for name in ("maps", "flat", "hidden", "logits", "probabilities")}
    assert network.input.shape == (None, 512, 512, 3)
    assert network.get_layer("maps").input.shape == (None, 16, 16, 1024)
    assert shapes == {"maps": (16, 16, 128), "flat": (32768,), "hidden": (512,), "logits": (28,), "probabilities": (28,)}
    backbone = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    assert {layer.momentum for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)} == {0.9}
    dropouts = [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropouts == [0.5]
    features, maps, hidden, last = 7_037_504, 1024 * 128 + 128, 32768 * 512 + 512, 512 * 28 + 28
    assert network.count_params() == features + maps + hidden + last == 23_960_796


@pytest.mark.parametrize(
    ("backbone", "features", "parameters"),  # without top layers, as in the documentation of Keras
    [("DenseNet201", (3, 3, 1920), 18_321_984), ("InceptionResNetV2", (1, 1, 1536), 54_336_736)],
)
def test_the_other_networks_get_the_same_head(backbone, features, parameters):
    network = make(backbone)
    assert network.get_layer("maps").input.shape[1:] == features
    flat = features[0] * features[1] * 128
    assert network.count_params() == parameters + features[2] * 128 + 128 + flat * 512 + 512 + 512 * 28 + 28


def test_all_cnn_is_that_of_springenberg():
    network = make("AllCNN", size=32)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    described = [(layer.filters, layer.kernel_size[0], layer.strides[0], layer.output.shape[1]) for layer in convolutions]
    assert described == [
        (96, 3, 1, 32), (96, 3, 1, 32), (96, 3, 2, 16), (192, 3, 1, 16), (192, 3, 1, 16), (192, 3, 2, 8),
        (192, 3, 1, 6), (192, 1, 1, 6), (28, 1, 1, 6),
    ]  # fmt: skip
    inputs = (3, 96, 96, 96, 192, 192, 192, 192, 192)
    assert network.count_params() == sum(
        filters * (size * size * before + 1) for (filters, size, *_), before in zip(described, inputs, strict=True)
    )
    assert [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)] == [0.2, 0.5, 0.5]


def test_all_cnn_uses_dropout_and_has_no_imagenet_weights():
    network = make("AllCNN", size=32, dropout=0.25)
    assert [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)] == [0.1, 0.25, 0.25]
    with pytest.raises(ConfigError, match="there are no ImageNet weights of AllCNN"):
        make("AllCNN", size=32, weights="keras")


@pytest.mark.parametrize("backbone", ["AllCNN", "DenseNet121"])
def test_before_training_a_blank_image_has_about_the_prior(backbone):
    found = make(backbone, size=32).predict(np.full((1, 32, 32, 3), 127, np.uint8), verbose=0)
    np.testing.assert_allclose(found, PRIOR[None], atol=0.1)


def save_as_downloads_are(model, path):
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)


def save_as_keras_does(model, path):
    model.save_weights(path)


@pytest.mark.parametrize(("name", "save"), [("notop.weights.h5", save_as_keras_does), ("notop.h5", save_as_downloads_are)])
def test_imagenet_weights_come_from_a_file_and_those_of_another_shape_are_an_error(tmp_path, name, save):
    original = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = tmp_path / name
    save(original, path)
    assert weights_source(str(path), "MobileNet", "keras").startswith(f"{name} ")
    loaded = next(layer for layer in make("MobileNet", size=32, weights=str(path)).layers if layer.name == original.name)
    for found, expected in zip(loaded.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(
        ConfigError, match=r"net.yaml: MobileNetV2 at 32 px with initial weights .* cannot be built \(.*give a file of this network"
    ):
        make("MobileNetV2", size=32, weights=str(path))
    with pytest.raises(ConfigError, match="ImageNet weights need 3 input channels, and `channels` gives 4"):
        make("MobileNet", size=32, weights=str(path), channels=4)


def test_four_channels_start_from_scratch():
    assert make(size=32, channels=4).input.shape == (None, 32, 32, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "DenseNet122"}, "there is no Keras network 'DenseNet122': choose one of: AllCNN, ConvNeXtBase"),
        ({"backbone": "InceptionResNetV2", "size": 74}, r"InceptionResNetV2 at 74 px .*at least 75x75"),
        ({"weights": "nowhere.h5"}, "there is no file nowhere.h5: give a .h5 file without top layers, keras or scratch"),
    ],
)
def test_what_cannot_be_built_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as refused:
        make(**options)
    assert "\n" not in str(refused.value)


@pytest.fixture
def _empty_cache(monkeypatch, tmp_path):
    """Keras finds nothing in its cache, and every download goes through the proxy that a test sets."""
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path / "home"))
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))


def refused_download(port, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    with pytest.raises(ConfigError) as refused:
        make("MobileNet", size=32, weights="keras")
    return str(refused.value)


@pytest.mark.usefixtures("_empty_cache")
def test_weights_that_cannot_be_downloaded_are_an_error_that_names_the_file(monkeypatch, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        line = refused_download(unused.getsockname()[1], monkeypatch)
    file = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/mobilenet_1_0_224_tf_no_top.h5"
    assert line == (
        "MobileNet: its ImageNet weights are not in Keras's cache, and they cannot be downloaded ([Errno 111] Connection refused): "
        f'fetch {file} on a machine with a connection, then SET="initial_weights=FILE", or put it into {tmp_path / "home" / "models"}; '
        'or train from random weights with SET="initial_weights=scratch"'
    )


@pytest.mark.usefixtures("_empty_cache")
def test_a_silent_hub_is_waited_for_and_the_error_says_how_long(monkeypatch):
    monkeypatch.setattr(keras_initial_weights, "PATIENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        line = refused_download(silent.getsockname()[1], monkeypatch)
    assert 1.0 <= time.monotonic() - started < 30
    assert "are not in Keras's cache, and its hub did not answer within 1 seconds: fetch https://storage.googleapis.com/" in line
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("error", [TimeoutError("timed out"), Exception("URL fetch failure on https://hub/a_notop.h5: 404 -- Not\nFound")])
def test_every_failed_download_is_one_line(error):
    line = str(keras_initial_weights.failed_download(error, "DenseNet121"))
    assert "\n" not in line
    assert "fetch " in line
    assert ("did not answer within 30 seconds" in line) == isinstance(error, TimeoutError)


def test_other_errors_are_no_failed_downloads():
    assert keras_initial_weights.failed_download(ValueError("Layer count mismatch"), "DenseNet121") is None
