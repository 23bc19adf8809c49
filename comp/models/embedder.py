"""A timm backbone that embeds images: those of one identity lie close together on a sphere, others far apart."""

from collections.abc import Callable

from torch import Tensor, nn

from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.models.backbone import create_backbone, feature_count, start_at
from comp.models.networks import Classifier, Embedder


def build_embedder(
    experiment: MetricExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor, metric_loss: Callable[[int], nn.Module]
) -> Embedder:
    """The experiment's network, with initial weights from `source` (see `comp.models.weight_sources.weights_source`).

    Args:
        mean, deviation: (channels,) of the images, in grey values.
        prior: (classes,) shares of images; the biases of the second head start there.
        metric_loss: makes the loss of embeddings of a given size.

    Raises:
        ConfigError: timm has no such backbone, or its initial weights are not available or do not fit.
    """
    backbone = create_backbone(experiment, source, len(mean), outputs=0)
    width = feature_count(backbone)
    head = nn.Linear(width, len(prior)) if experiment.classification else None
    if head is not None:
        start_at(head, prior)
    loss = metric_loss(experiment.embedding)  # after the head and before the embedding layer: the order decides their random numbers
    return Embedder(Classifier(backbone, mean, deviation), width, experiment.embedding, loss, head)
