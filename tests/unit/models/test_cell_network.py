"""The network for bags of cells against loops over cells."""

import numpy as np
import pytest
import timm
import torch

from comp.models.cell_network import LIMIT, CellHead, CellNetwork
from comp.models.networks import Classifier


@pytest.fixture
def head():
    torch.manual_seed(0)
    made = CellHead(6, 5, 4, 3).eval()
    for parameter in made.parameters():  # no zeros
        torch.nn.init.normal_(parameter)
    made.centre.fill_(0.3)
    made.spread.fill_(2.0)
    return made


@pytest.fixture
def features():
    made = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 4, 6)).astype(np.float32))
    made[1, 3] = 0  # no cell
    return made


def test_an_image_s_logits_are_the_attention_weighted_mean_of_its_cells(head, features):
    """Ilse, Tomczak and Welling 2018, equation 9, for each class, with limited scores; one cell at a time."""
    tensors = {name: value.double().numpy() for name, value in head.state_dict().items()}

    def layer(name, values):
        return tensors[f"{name}.weight"] @ values + tensors[f"{name}.bias"]

    expected = []
    for bag in features.double().numpy():
        scores, logits = [], []
        for cell in bag[np.any(bag != 0, axis=1)]:
            embedded = np.maximum(layer("embed.1", (cell - 0.3) / 2.0), 0)
            gated = np.tanh(layer("attention.content", embedded)) / (1 + np.exp(-layer("attention.gate", embedded)))
            scores.append(LIMIT * np.tanh(layer("attention.score", gated)))
            logits.append(layer("classify", embedded))
        weights = np.exp(scores) / np.exp(scores).sum(axis=0)
        expected.append((weights * logits).sum(axis=0))
    np.testing.assert_allclose(head(features).detach(), expected, rtol=1e-5, atol=1e-6)


def test_neither_empty_places_nor_the_order_of_cells_matter(head, features):
    expected = head(features)
    torch.testing.assert_close(head(features[:, [2, 0, 1, 3]]), expected)
    torch.testing.assert_close(head(torch.cat([features, torch.zeros(2, 5, 6)], dim=1)), expected)
    torch.testing.assert_close(head(features[1:, :3]), expected[1:])
    assert torch.isfinite(head(torch.zeros(1, 4, 6))).all()


def test_without_attention_all_cells_count_alike(features):
    plain = CellHead(6, 5, 0, 3).eval()
    logits, weights = plain.cells(features)
    torch.testing.assert_close(weights[1, :, 0], torch.tensor([1 / 3, 1 / 3, 1 / 3, 0.0]))
    torch.testing.assert_close(plain(features)[0], logits[0].mean(dim=0))


@pytest.mark.parametrize("frozen", [False, True])
def test_every_crop_is_seen_alone(head, frozen):
    generator = np.random.default_rng(2)
    bags = torch.from_numpy(generator.integers(1, 256, (2, 3, 32, 32, 2), np.uint8))
    bags[0, 2] = 0
    backbone = Classifier(
        timm.create_model("test_resnet", in_chans=2, num_classes=0), torch.tensor([90.0, 80.0]), torch.tensor([50.0, 60.0])
    )
    network = CellNetwork(backbone, CellHead(backbone.backbone.num_features, 5, 4, 3), frozen).eval()
    found = network.of_cells(bags)
    assert not found[0, 2].any()
    for image, place in ((0, 0), (0, 1), (1, 2)):
        alone = network.features(bags[image, place][None])[0]
        torch.testing.assert_close(found[image, place].float(), alone, rtol=1e-3 if frozen else 1e-4, atol=1e-3 if frozen else 1e-4)
    torch.testing.assert_close(network(bags), network.head(found))
    learns = any(parameter.requires_grad for parameter in network.features.parameters())
    assert learns is not frozen
