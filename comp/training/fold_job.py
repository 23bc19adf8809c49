"""A fold job: one fold of one model, as typed. It can be pickled, and so given to another process."""

from dataclasses import dataclass, replace

from comp.base.paths import Paths
from comp.base.progress import say
from comp.base.schema import parse_settings
from comp.competition.competition import Competition, load_competition
from comp.competition.experiments.copy import write_copy
from comp.competition.experiments.experiment import Experiment
from comp.competition.experiments.load import load_experiment


@dataclass(frozen=True)
class FoldJob:
    """One fold of one model, as typed.

    Attributes:
        settings: changes of the experiment, as in SET="train.epochs=2 size=128".
        checkpoint_minutes: the time between checkpoints.
        retrain: replace finished predictions that were made otherwise.
        restart: ignore a checkpoint that was made otherwise.
        keep: keep what predicts new images: network weights and voters.
    """

    competition: str
    model: str
    fold: int
    settings: str = ""
    checkpoint_minutes: float = 5.0
    retrain: bool = False
    restart: bool = False
    keep: bool = True

    def named(self, name: str) -> "FoldJob":
        """The same job of a new model, whose YAML is written: this model with the job's settings.

        Raises:
            ConfigError: as `write_copy`.
        """
        path = write_copy(self.model, name, load_competition(self.competition), parse_settings(self.settings))
        say(f"{path}: {self.model}{f' with {self.settings}' if self.settings else ''}")
        return replace(self, model=name, settings="")

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
