from functools import partial

import numpy as np
import pytest
import torch

from comp.base import registry
from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.models.embedder import build_embedder

MEAN, DEVIATION, PRIOR = torch.full((4,), 20.0), torch.full((4,), 30.0), torch.tensor([0.5, 0.1, 0.01])


def make(backbone, classification=1.0):
    experiment = MetricExperiment(
        model="net", trainer="metric", backbone=backbone, initial_weights="scratch", size=64, embedding=8, classification=classification
    )
    return build_embedder(experiment, "scratch", MEAN, DEVIATION, PRIOR, partial(registry.build("metric_losses", experiment.metric), 5))


@pytest.mark.parametrize(
    "backbone", ["test_resnet", "test_vit", "test_efficientnet", "mobilenetv3_small_050", "tf_efficientnet_lite0", "allcnn"]
)
def test_any_backbone_embeds_on_the_unit_sphere(backbone):
    torch.manual_seed(0)
    model = make(backbone).eval()
    images = torch.randint(0, 256, (3, 64, 64, 4), dtype=torch.uint8)
    embeddings, logits = model(images)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    assert logits.shape == (3, 3)
    np.testing.assert_allclose(model.head.bias.detach().sigmoid(), PRIOR, rtol=1e-5)


def test_without_classification_there_is_no_second_head():
    model = make("test_resnet", classification=0.0).eval()
    assert model(torch.zeros((2, 64, 64, 4), dtype=torch.uint8))[1] is None
    assert not [name for name, _ in model.named_parameters() if name.startswith("head")]
