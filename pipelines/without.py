"""What one model is worth: the stack with it beside the stack without it, as `make compare` has them.

make without MODEL=arcface-resnet50
"""

from pipelines.command import parser, run, say


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", default="", metavar="NAME", help="the model to leave out")
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="those to stack it with (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    from comp.errors import ConfigError, PredictionError
    from comp.members import needs, what_is_missing
    from comp.paths import config
    from comp.stacking import load_recipe
    from pipelines.compare import compare
    from pipelines.stack_inputs import choose_models, load_task, refuse_unknown

    if not options.model:
        raise ConfigError("no model is named", "say which one to leave out: make without MODEL=arcface-resnet50")
    task = load_task(options.competition)
    refuse_unknown(task, [options.model])
    if missing := what_is_missing(task, options.model):
        raise missing
    asked = [model for model in options.models if model]
    models = sorted({*choose_models(task, asked), options.model})
    resting = [model for model in models if model != options.model and needs(task, model, options.model)]
    others = [model for model in models if model != options.model and model not in resting]
    if not others:
        what = f"without {options.model}{' and what was made from it' if resting else ''} no model is left to stack"
        raise PredictionError(what, f"train others: make model COMP={task.competition.name} MODEL=densenet121")
    made_of_it = task.paths.model(options.model).resolve()
    for features in load_recipe(config("stacks", options.stack)).features:
        if made_of_it in features.resolve().parents:
            what = f"configs/stacks/{options.stack}.yaml has the features {features}, made from {options.model}"
            raise ConfigError(what, "choose a stack without them: STACK=default")
    if resting:
        say(f"left out with {options.model}, since they were made from it: {', '.join(resting)}")
    stacks = {f"with {options.model}": models, "without": others}
    for name, blended in stacks.items():
        say(f"{name}: {', '.join(blended)}")
    compare(options.competition, options.stack, stacks)


if __name__ == "__main__":
    run(main)
