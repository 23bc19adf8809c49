"""The metric losses against the formulas of their papers."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from comp.base import registry
from comp.base.errors import ConfigError

GENERATOR = torch.Generator().manual_seed(0)
EMBEDDINGS = normalize(torch.randn(12, 6, generator=GENERATOR))
IDENTITY = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4])


def built(name, **options):
    torch.manual_seed(1)
    return registry.build("metric_losses", {"name": name, **options})(5, 6)


def cosines(loss):
    return (EMBEDDINGS @ normalize(loss.W.detach(), dim=0)).numpy().astype(float)


def softmax_loss(logits):
    rows = np.arange(len(logits))
    return float((np.log(np.exp(logits).sum(axis=1)) - logits[rows, IDENTITY.numpy()]).mean())


def test_arcface_adds_its_margin_to_the_angle():
    loss = built("arcface", margin=20, scale=8)
    logits = cosines(loss)
    rows = np.arange(12)
    angle = np.arccos(logits[rows, IDENTITY])
    logits[rows, IDENTITY] = np.cos(angle + np.radians(20))
    assert (angle + np.radians(20) < np.pi).all()
    assert loss(EMBEDDINGS, IDENTITY).item() == pytest.approx(softmax_loss(8 * logits), rel=1e-4)


def test_cosface_takes_its_margin_from_the_cosine():
    loss = built("cosface", margin=0.2, scale=8)
    logits = cosines(loss)
    logits[np.arange(12), IDENTITY] -= 0.2
    assert loss(EMBEDDINGS, IDENTITY).item() == pytest.approx(softmax_loss(8 * logits), rel=1e-4)


def test_subcenter_arcface_takes_the_nearest_centre_of_each_identity():
    loss = built("subcenter_arcface", margin=20, scale=8, centres=2)
    logits = cosines(loss).reshape(12, 5, 2).max(axis=2)
    rows = np.arange(12)
    logits[rows, IDENTITY] = np.cos(np.arccos(logits[rows, IDENTITY]) + np.radians(20))
    assert loss(EMBEDDINGS, IDENTITY).item() == pytest.approx(softmax_loss(8 * logits), rel=1e-4)


def test_supcon_is_the_mean_log_share_of_the_positives():
    similarity = (EMBEDDINGS @ EMBEDDINGS.T).numpy().astype(float) / 0.3
    found = []
    for row in range(11):  # the last image is the only one of its identity
        others = [other for other in range(12) if other != row]
        positives = [other for other in others if IDENTITY[other] == IDENTITY[row]]
        log_sum = np.log(np.exp(similarity[row, others]).sum())
        found.append(-np.mean([similarity[row, other] - log_sum for other in positives]))
    assert built("supcon", temperature=0.3)(EMBEDDINGS, IDENTITY).item() == pytest.approx(np.mean(found), rel=1e-4)


def test_triplet_compares_with_the_hardest_positive_and_negative():
    distance = torch.cdist(EMBEDDINGS, EMBEDDINGS).numpy()
    found = []
    for row in range(11):
        same = (IDENTITY[row] == IDENTITY).numpy()
        positive = distance[row, same & (np.arange(12) != row)].max()
        found.append(max(positive - distance[row, ~same].min() + 0.4, 0))
    expected = np.mean([each for each in found if each > 0])  # the library averages over the losses that are not 0
    loss = built("triplet", margin=0.4, negatives="hard")
    assert loss(EMBEDDINGS, IDENTITY).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", registry.names("metric_losses"))
def test_every_loss_pulls_images_of_one_identity_together(name):
    loss = built(name)
    free = EMBEDDINGS.clone().requires_grad_()
    optimizer = torch.optim.Adam([free, *loss.parameters()], lr=0.05)

    def apart():
        unit = normalize(free.detach())
        same = IDENTITY[:, None] == IDENTITY
        cosine = unit @ unit.T
        return (cosine[same].mean() - cosine[~same].mean()).item()

    before = apart()
    for _ in range(60):
        optimizer.zero_grad()
        loss(normalize(free), IDENTITY).backward()
        optimizer.step()
    assert apart() > before + 0.15


@pytest.mark.parametrize("name", registry.names("metric_losses"))
def test_a_batch_with_one_image_per_identity_is_no_error(name):
    free = EMBEDDINGS.clone().requires_grad_()
    loss = built(name)(free[:3], torch.tensor([0, 1, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(free.grad).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "triplet", "positives": "all"}, "positives 'all' do not go with negatives 'semihard': make one of them hard"),
        ({"name": "triplet", "positives": "semihard"}, "positives 'semihard' do not go with negatives 'semihard'"),
        ({"name": "triplet", "margin": 0}, "triplet: margin = 0 does not fit"),
        ({"name": "subcenter_arcface", "centres": 0}, "subcenter_arcface: centres = 0 does not fit"),
        ({"name": "arcface", "scale": 0}, "arcface: scale = 0 does not fit"),
        ({"name": "cosface", "margin": -0.1}, "cosface: margin = -0.1 does not fit"),
        ({"name": "supcon", "temperature": 0}, "supcon: temperature = 0 does not fit"),
    ],
)
def test_options_that_cannot_train_are_an_error_before_any_network_is_built(spec, message):
    with pytest.raises(ConfigError, match=message):
        registry.build("metric_losses", spec)
