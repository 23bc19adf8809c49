"""The entrants of the contest: our stacks and their peers."""

from collections.abc import Iterator, Mapping

from comp.base.errors import CompError
from comp.stacking.evaluation import evaluate
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from tests.benchmarks.contest import Bools, Entrant, by_peer, timed
from tests.benchmarks.peers import Peer
from tests.benchmarks.peers.autogluon_process import AutoGluon
from tests.benchmarks.peers.boosting import lightgbm_peer
from tests.benchmarks.peers.logistic import scikit_learn_peer
from tests.benchmarks.peers.simple import blend_and_threshold
from tests.benchmarks.peers.xcolumns_process import XColumns

PEERS: dict[str, Peer] = {
    "best single, exact thresholds": blend_and_threshold("best_single"),
    "mean, exact thresholds": blend_and_threshold("mean"),
    "greedy macro F1, exact thresholds": blend_and_threshold("greedy"),
    "greedy log loss, exact thresholds": blend_and_threshold("greedy", metric="log_loss"),
    "CMA-ES, exact thresholds": blend_and_threshold("cmaes"),
    "scikit-learn's logistic, tuned thresholds": scikit_learn_peer,
    "LightGBM on the class' own logits": lightgbm_peer,
}
PROCESSES: dict[str, type[XColumns] | type[AutoGluon]] = {
    "xCOLUMNs on greedy log loss": XColumns,
    "AutoGluon, selection and threshold a class": AutoGluon,
}
Stacks = Mapping[str, tuple[Recipe, PredictionSet]]  # by name, with the predictions it blends; those differ in features only


def entrants(stacks: Stacks, workers: int) -> Iterator[Entrant]:
    """The decisions of all entrants about held-out folds, our stacks first; these are fitted by `workers` processes."""
    for name, (recipe, labelled) in stacks.items():
        yield ours(name, recipe, labelled, workers)
    labelled = next(iter(stacks.values()))[1]
    for name, peer in PEERS.items():
        yield by_peer(name, peer, labelled)
    for name, process in PROCESSES.items():
        try:
            with process() as running:
                yield by_peer(name, running.margins, labelled)
        except CompError as error:
            yield Entrant(name, note=str(error))


def ours(name: str, recipe: Recipe, labelled: PredictionSet, workers: int) -> Entrant:
    def decide() -> Bools:
        once = recipe.model_copy(update={"repeats": 1})  # the first repeat uses the fold map's folds
        return evaluate(labelled, once, workers=workers).decisions[0]

    return timed(f"our full pipeline, {name}", decide)
