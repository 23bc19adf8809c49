"""List all runs of a competition: model, fold, score, hours, device, date, and how far unfinished ones are.

    make runs
    make runs MODELS="resnet18 resnet34"

Below a model: in which settings its runs differ from its YAML. With two models: which settings and versions differ between them.
Scores are macro F1 at threshold 0.5; for unfinished runs, on the rows they are validated on. Nothing is written.
"""

from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.training.run_table import difference_table, run_table
from comp.training.runs import find_runs
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="only these; of two, what differs (default: all)")
    options = arguments.parse_args()

    competition = load_competition(options.competition)
    models = list(dict.fromkeys(options.models))
    runs, damaged = find_runs(Paths(competition.name), models)
    say(run_table(runs, competition))
    if len(models) == 2:
        say("\n" + difference_table(runs, *models))
        say(f'\nnext            compare their scores: make compare COMP={competition.name} MODELS="{" ".join(models)}"')
    for line in damaged:
        say(f"note: {line}")


if __name__ == "__main__":
    run(main)
