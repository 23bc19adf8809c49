"""A new model's YAML: another one with changed settings, under a name of its own."""

from pathlib import Path
from typing import Any

import yaml

from comp.base.errors import ConfigError
from comp.base.files import write_text
from comp.base.paths import check_name, config
from comp.base.schema import merge, read_yaml
from comp.competition.competition import Competition
from comp.competition.experiments.load import load_experiment


def write_copy(model: str, name: str, competition: Competition, settings: dict[str, Any], root: Path = Path()) -> Path:
    """Write `configs/models/<name>.yaml`: like `model`, with the competition's overrides of that model and with `settings`.

    A YAML that says the same already is left as it is.

    Raises:
        ConfigError: the settings do not fit, or there is another YAML of that name.
    """
    load_experiment(model, competition, settings, root)
    source = config("models", model, root)
    path = source.with_name(f"{check_name('model', name)}.yaml")
    own = read_yaml(source)
    base = {"like": model} if "like" not in own else own  # a YAML is like one that stands alone
    values = merge(merge(base, competition.model_overrides.get(model, {})), settings)
    if path.exists():
        if read_yaml(path) != values:
            raise ConfigError(f"{path} is there already, with other settings", "choose another name for AS, or change that file by hand")
        return path
    write_text(path, f"# make model MODEL={name}\n{yaml.safe_dump(values, sort_keys=False)}")
    return path
