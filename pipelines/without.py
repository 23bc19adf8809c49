"""What one model is worth: the stack with it beside the stack without it, as `make compare` has them.

make without MODEL=arcface-resnet50
"""

from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="the model to leave out")
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="those to stack it with (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    from comp.errors import PredictionError
    from pipelines.compare import compare
    from pipelines.stack_inputs import choose_models, load_task

    task = load_task(options.competition)
    asked = [model for model in options.models if model]
    models = choose_models(task, [*asked, options.model] if asked else [])
    others = [model for model in models if model != options.model]
    if options.model not in models or not others:
        what = f"{options.model} is {'the only model' if options.model in models else 'no complete model'} of {task.competition.name}"
        raise PredictionError(what, f"train it, and others: make model COMP={task.competition.name} MODEL={options.model}")
    compare(options.competition, options.stack, {f"with {options.model}": models, "without": others})


if __name__ == "__main__":
    run(main)
