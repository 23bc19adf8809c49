"""What one model is worth: compare the stack with it and the stack without it.

make ablate MODEL=arcface-resnet50
"""

from comp.base.errors import ConfigError
from comp.base.progress import say
from comp.predictions.task import load_task
from comp.stacking.comparison import compare, comparison_table, with_and_without
from comp.submission.known_labels import read_hidden_labels
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", default="", metavar="NAME", help="the model to leave out")
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="those to stack it with (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    if not options.model:
        raise ConfigError("no model is named", "say which one to leave out: make ablate MODEL=arcface-resnet50")
    task = load_task(options.competition)
    stacks = with_and_without(task, options.model, [model for model in options.models if model], options.stack)
    hidden = read_hidden_labels(task.competition, task.paths)
    say("\n" + comparison_table(compare(task, options.stack, stacks, hidden)))


if __name__ == "__main__":
    run(main)
