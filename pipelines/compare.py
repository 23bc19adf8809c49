"""Compare whole stacks on the same rows.

    make compare MODELS="cascade arcface+densenet121 arcface densenet121"

Each word is a stack of models, joined by `+`. The first stack is compared with each of the others; each is chosen and fitted by itself.
Nested scores are given for all rows, for rows of known groups (antibodies with images in other folds) and for rows of new groups. In a
practice competition the stacks are also scored on the hidden labels of the test images. Nothing is written.
"""

from comp.base.errors import ConfigError
from comp.base.progress import say
from comp.predictions.task import load_task
from comp.stacking.comparison import compare, comparison_table
from comp.submission.known_labels import read_hidden_labels
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="A+B", help="the stacks, each of models joined by +")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    stacks = {word: word.split("+") for word in options.models}
    then = 'name models joined by +, as in MODELS="a+b a b"'
    for word, models in stacks.items():
        if "" in models or len(set(models)) < len(models):
            raise ConfigError(f"MODELS: {word!r} is no stack of different models", then)
    if len({frozenset(models) for models in stacks.values()}) < max(2, len(options.models)):
        raise ConfigError("MODELS: there are not two stacks, or two are the same", then)
    task = load_task(options.competition)
    hidden = read_hidden_labels(task.competition, task.paths)
    say("\n" + comparison_table(compare(task, options.stack, stacks, hidden)))


if __name__ == "__main__":
    run(main)
