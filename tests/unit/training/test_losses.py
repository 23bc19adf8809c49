import pytest
import torch

from comp.base import registry

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 4, generator=GENERATOR) * 3
LABELS = (torch.rand(6, 4, generator=GENERATOR) < 0.4).float()


@pytest.mark.parametrize("name", registry.names("losses"))
def test_every_loss_is_finite_has_a_gradient_and_prefers_the_truth(name):
    loss = registry.build("losses", {"name": name})
    logits = (LOGITS * 20).requires_grad_()  # so large that a naive log overflows
    value = loss(logits, LABELS)
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    right = 8 * (2 * LABELS - 1)
    assert loss(right, LABELS) < loss(LOGITS, LABELS) < loss(-right, LABELS)


def test_bce_is_the_formula():
    probs = torch.sigmoid(LOGITS.double())
    smooth = LABELS.double() * 0.9 + 0.05
    expected = -(smooth * probs.log() + (1 - smooth) * (1 - probs).log()).mean()
    torch.testing.assert_close(registry.build("losses", {"name": "bce", "smoothing": 0.1})(LOGITS.double(), LABELS.double()), expected)


def test_focal_is_the_formula_and_bce_at_gamma_0():
    probs = torch.sigmoid(LOGITS.double())
    truth = torch.where(LABELS > 0, probs, 1 - probs)
    expected = -((1 - truth) ** 2 * truth.log()).mean()
    torch.testing.assert_close(registry.build("losses", {"name": "focal"})(LOGITS.double(), LABELS.double()), expected)
    torch.testing.assert_close(
        registry.build("losses", {"name": "focal", "gamma": 0})(LOGITS, LABELS), registry.build("losses", {"name": "bce"})(LOGITS, LABELS)
    )
