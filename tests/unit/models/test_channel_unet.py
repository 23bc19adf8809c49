import itertools

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from comp.images.input_channels import InputChannels
from comp.images.pixel_moments import pixel_moments
from comp.models.channel_unet import ChannelUNet, build_unet, random_given, regression, trained_unet, width_of

GENERATOR = np.random.default_rng(0)
BASE = GENERATOR.integers(0, 120, (6, 32, 32, 1))
IMAGES = (BASE * [1.0, 0.5, 0.3, 0.8] + GENERATOR.integers(0, 60, (6, 32, 32, 4))).astype(np.uint8)
MOMENTS = pixel_moments(IMAGES, InputChannels((0, 1, 2, 3)), np.arange(6))
SCRATCH = {"pretrained": False}


def network(embedding=4, decoder=(16, 8)):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    unet = build_unet("test_resnet", 4, decoder, SCRATCH)
    tensors = (torch.tensor(each, dtype=torch.float32) for each in (MOMENTS.mean, MOMENTS.deviation, MOMENTS.correlation))
    return ChannelUNet(unet, embedding, *tensors).eval()


@pytest.mark.parametrize("given", [row for row in itertools.product([0, 1], repeat=4) if 0 < sum(row) < 4])
def test_an_untrained_network_draws_the_linear_regression_of_each_pixel(given):
    given = np.array(given, bool)
    pixels = IMAGES.reshape(-1, 4)
    expected = LinearRegression().fit(pixels[:, given], pixels).predict(pixels[:, given]).clip(0, 255)
    drawn = network().draw(torch.from_numpy(IMAGES), torch.tensor(given).float().expand(6, 4)).detach().numpy().reshape(-1, 4)
    np.testing.assert_allclose(drawn[:, ~given], expected[:, ~given], atol=0.3)  # a small ridge is added
    np.testing.assert_array_equal(drawn[:, given], pixels[:, given])


def test_what_is_not_given_is_not_used():
    images, changed = torch.from_numpy(IMAGES), torch.from_numpy(IMAGES.copy())
    changed[..., 2] = 77
    given = torch.tensor([[1.0, 1, 0, 1]]).expand(6, 4)
    model = network()
    torch.nn.init.normal_(model.unet.segmentation_head[0].weight)
    assert torch.equal(model.draw(images, given), model.draw(changed, given))
    assert not torch.equal(model.draw(images, given), model.draw(images, 1 - given))


def test_equal_channels_have_a_regression():
    found = regression(torch.ones(3, 3), torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found[0], [[0.5, 0.5, 0]] * 3, atol=1e-2)
    np.testing.assert_array_equal(found[1], 0)


def test_from_one_to_all_but_one_of_the_channels_are_given_each_number_as_often():
    torch.manual_seed(0)
    given = random_given(torch.ones(6000, 4, dtype=torch.bool)).numpy()
    share = np.bincount(given.sum(axis=1), minlength=5) / 6000
    np.testing.assert_allclose(share, [0, 1 / 3, 1 / 3, 1 / 3, 0], atol=0.03)
    np.testing.assert_allclose(given.mean(axis=0), 0.5, atol=0.03)


def test_a_black_channel_is_neither_given_nor_hidden():
    torch.manual_seed(0)
    images = torch.from_numpy(IMAGES.copy())
    images[:3, :, :, 1] = 0
    images[5] = 0
    for _ in range(20):
        drawn = network().train()(images)
        assert not drawn.missing[:3, 1].any()
        assert not drawn.missing[5].any()
        assert (drawn.missing[:5].sum(dim=1) >= 1).all()
        assert (drawn.missing[:3].sum(dim=1) <= 2).all()
    assert not random_given(torch.zeros(2, 4, dtype=torch.bool)).any()
    assert random_given(torch.tensor([[True, False, False]])).tolist() == [[True, False, False]]


@pytest.mark.parametrize("shape", [(33, 47), (20, 64), (8, 8)])
def test_images_of_any_shape_are_drawn(shape):
    images = torch.zeros(2, *shape, 4, dtype=torch.uint8)
    drawn = network(decoder=(16, 8, 8)).draw(images, torch.tensor([[1.0, 0, 0, 0]] * 2))
    assert drawn.shape == images.shape


def test_embeddings_of_the_fitted_images_are_uncorrelated_and_of_equal_scale():
    model = network(embedding=3)
    features = model.features(torch.from_numpy(IMAGES)).detach()
    many = features.mean(dim=0) + torch.from_numpy(GENERATOR.normal(size=(500, width_of(model.unet)))).float() @ torch.diag(
        torch.linspace(2, 1, width_of(model.unet))
    )
    model.fit_embedding(many)
    embedded = (many - model.centre) @ model.projection
    np.testing.assert_allclose(np.cov(embedded.T, ddof=0), np.eye(3), atol=0.01)


def test_a_trained_network_is_built_again_from_its_tensors():
    model = network()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    again = trained_unet("test_resnet", {"channels": 4, "decoder": [16, 8]}, state)
    again.load_state_dict(state)
    given = torch.tensor([[1.0, 0, 0, 1]]).expand(6, 4)
    images = torch.from_numpy(IMAGES)
    assert torch.equal(again.eval().draw(images, given), model.draw(images, given))
