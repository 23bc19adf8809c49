"""Which models embed images, and the embeddings of one or several of them."""

from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.load import load_experiment
from comp.predictions.embeddings import Embeddings, read_network, side_by_side
from comp.predictions.provenance import HARDWARE, check_same_settings
from comp.predictions.task import Task


def embeds(task: Task, model: str) -> bool:
    """Whether a model has embedding files and its YAML still describes a model that embeds."""
    written = any(task.paths.model(model).glob("embeddings-*.parquet"))
    return written and isinstance(load_experiment(model, task.competition), EmbeddingExperiment)


def embedding_models(task: Task) -> list[str]:
    """All models that embed, by name."""
    written = sorted({path.parent.name for path in task.paths.oof().glob("*/embeddings-*.parquet")})
    return [model for model in written if embeds(task, model)]


def read_networks(task: Task, models: list[str]) -> list[Embeddings]:
    """The embeddings of each fold's network. Those of several models are joined, so that similarities are means over the models.

    Raises:
        PredictionError: a file is missing or damaged, or was made with other folds, another train table or other settings than the rest.
    """
    folds = range(task.folds.count)
    by_model = [[read_network(task.paths, model, fold, task.folds.fingerprint, task.data) for fold in folds] for model in models]
    for networks in by_model:
        for other in networks[1:]:
            check_same_settings(networks[0].provenance, other.provenance, except_for={"fold", *HARDWARE})
    return [side_by_side(of_fold) for of_fold in zip(*by_model, strict=True)]
