import pytest
import timm
import torch

import comp.models.backbone  # noqa: F401  # importing it registers the network with timm

WIDTHS = (96, 96, 96, 192, 192, 192, 192, 192)
KERNELS = (3, 3, 3, 3, 3, 3, 3, 1)


def make(**options):
    torch.manual_seed(0)
    return timm.create_model("allcnn", **options)


@pytest.mark.parametrize(("channels", "classes"), [(3, 10), (4, 28), (1, 1)])
def test_parameters_are_those_of_the_table(channels, classes):
    inputs, outputs, kernels = (channels, *WIDTHS), (*WIDTHS, classes), (*KERNELS, 1)
    expected = sum(kernel**2 * wide * wider + wider for kernel, wide, wider in zip(kernels, inputs, outputs, strict=True))
    model = make(in_chans=channels, num_classes=classes)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    if (channels, classes) == (3, 10):
        assert 1.3e6 < expected < 1.4e6  # "about 1.3 M" in table 3 of the paper


def test_maps_are_those_of_the_paper_at_32_pixels_and_any_size_fits():
    model = make(num_classes=10).eval()
    shapes = []
    for layer in model.features:
        layer.register_forward_hook(lambda _, __, maps: shapes.append(tuple(maps.shape[1:])))
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
        assert list(dict.fromkeys(shapes)) == [(3, 32, 32), (96, 32, 32), (96, 16, 16), (192, 16, 16), (192, 8, 8), (192, 6, 6)]
        assert model(torch.zeros(1, 3, 75, 64)).shape == (1, 10)


def test_logits_are_the_means_of_the_class_maps():
    model = make(in_chans=4, num_classes=3).eval()
    images = torch.randn(2, 4, 32, 32)
    with torch.inference_mode():
        maps = model.get_classifier()(model.features(images))
        torch.testing.assert_close(model(images), maps.flatten(2).mean(dim=2))


def test_dropout_is_that_of_the_paper_by_default_and_none_if_none_is_asked_for():
    rates = [module.p for module in make().features if isinstance(module, torch.nn.Dropout)]
    assert rates == pytest.approx([0.2, 0.5, 0.5])
    assert [module.p for module in make(drop_rate=0.0).features if isinstance(module, torch.nn.Dropout)] == [0, 0, 0]


def test_signals_neither_vanish_nor_explode():
    with torch.inference_mode():
        maps = make(in_chans=4).eval().features(torch.randn(8, 4, 32, 32))
    assert 0.3 < maps.square().mean() < 3


def test_it_learns_stripes():
    model = make(in_chans=1, num_classes=2, drop_rate=0.1)
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(64, 2, generator=generator) < 0.5).float()
    images = torch.randn(64, 1, 12, 12, generator=generator) * 0.5
    images[..., ::2, :] += 2 * labels[:, 0, None, None, None]
    images[..., ::2] += 2 * labels[:, 1, None, None, None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(40):
        batch = slice(step % 8 * 8, step % 8 * 8 + 8)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (model.eval()(images) > 0) == labels.bool()
    assert right.float().mean() > 0.95


def test_weights_for_other_numbers_of_channels_and_classes_are_adapted():
    state = make(in_chans=3, num_classes=1000).state_dict()
    overlay = {"state_dict": dict(state)}
    model = make(in_chans=4, num_classes=28, pretrained=True, pretrained_cfg_overlay=overlay)
    torch.testing.assert_close(model.features[1].weight, state["features.1.weight"][:, [0, 1, 2, 0]] * 3 / 4)
    torch.testing.assert_close(model.features[3].weight, state["features.3.weight"])
    assert model.get_classifier().weight.shape == (28, 192, 1, 1)
