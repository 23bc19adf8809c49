"""A fold job: one fold of one model, as typed. It can be pickled, and so given to another process."""

from dataclasses import dataclass

from comp.base.paths import Paths
from comp.base.schema import parse_settings
from comp.competition.competition import Competition, load_competition
from comp.competition.experiments.experiment import Experiment
from comp.competition.experiments.load import load_experiment


@dataclass(frozen=True)
class FoldJob:
    """One fold of one model, as typed.

    Attributes:
        settings: changes of the experiment, as in SET="train.epochs=2 size=128".
        checkpoint_minutes: the time between checkpoints.
    """

    competition: str
    model: str
    fold: int
    settings: str = ""
    checkpoint_minutes: float = 5.0

    @property
    def name(self) -> str:
        return f"{self.model} fold {self.fold}"

    def load(self) -> tuple[Competition, Experiment, Paths]:
        """The competition, the experiment with the job's settings, and the competition's paths.

        Raises:
            ConfigError: a YAML or a setting does not fit.
        """
        competition = load_competition(self.competition)
        return competition, load_experiment(self.model, competition, parse_settings(self.settings)), Paths(self.competition)
