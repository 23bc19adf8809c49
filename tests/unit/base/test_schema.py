import os

import pytest

from comp.base.errors import ConfigError
from comp.base.schema import differences, merge, parse, parse_settings, read_yaml
from comp.competition.experiments.torch_experiment import TorchExperiment


def test_merge_joins_mappings_and_replaces_plug_ins():
    base = {"train": {"epochs": 20, "lr": 1}, "loss": {"name": "focal", "gamma": 3}, "size": 512}
    changed = merge(base, {"train": {"epochs": 2}, "loss": {"name": "bce"}})
    assert changed == {"train": {"epochs": 2, "lr": 1}, "loss": {"name": "bce"}, "size": 512}
    assert base["loss"] == {"name": "focal", "gamma": 3}


def test_settings_from_the_command_line():
    assert parse_settings("train.epochs=2 size=128 train.lr=3e-4") == {"train": {"epochs": 2, "lr": "3e-4"}, "size": 128}
    assert parse_settings("loss.gamma=3 loss.name=focal channels=[red,green]") == {
        "loss": {"gamma": 3, "name": "focal"}, "channels": ["red", "green"],
    }  # fmt: skip


@pytest.mark.parametrize("text", ["size", "=3", "channels=[red, green]", "train=3 train.epochs=2"])
def test_settings_that_are_none_are_refused(text):
    with pytest.raises(ConfigError, match="SET: "):
        parse_settings(text)


def test_differences_name_what_changed():
    before, now = {"size": 64, "train": {"epochs": 2, "lr": 1}}, {"size": 64, "train": {"epochs": 3, "lr": 1}, "tta": 2}
    assert differences(before, now) == ["train.epochs=2, now 3", "tta=None, now 2"]
    assert differences(now, now) == []


def test_a_misspelt_key_gets_the_nearest_known_one():
    with pytest.raises(ConfigError, match=r"x\.yaml: unknown key 'train\.epoch': did you mean 'epochs'"):
        parse(TorchExperiment, {"model": "m", "backbone": "resnet18", "train": {"epoch": 3}}, "x.yaml")


def test_a_number_that_yaml_reads_as_text_is_a_number():
    experiment = parse(TorchExperiment, {"model": "m", "backbone": "resnet18", "train": {"lr": "3e-4"}}, "x.yaml")
    assert experiment.train.lr == 3e-4


@pytest.mark.parametrize(
    ("key", "value"), [("size", "big"), ("size", 3), ("tta", 3), ("train", {"lr": 0}), ("train", {"precision": "fp8"})]
)
def test_values_that_do_not_fit_are_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=rf"x\.yaml: {key}.* does not fit"):
        parse(TorchExperiment, {"model": "m", "backbone": "resnet18", key: value}, "x.yaml")


@pytest.mark.parametrize("text", ["a: [1", "- 1", "!!python/object/apply:os.getcwd []", ""])
def test_files_that_are_no_plain_mapping_are_refused(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: " + "[" * 3000 + "]" * 3000, "is nested too deeply"),
        ("a0: &a0 [1, 1]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(40)), "make more than 100,000 values"),
        ("a: &a [*a]", "make more than 100,000 values"),
        ("a: 1\nb: 2\na: 3", "the key 'a' comes twice"),
        ("a: " + "9" * 5000, "is not YAML"),
        ("a: \0", "is not YAML"),
        ("", "holds no mapping"),
    ],
)
def test_yaml_that_would_do_harm_is_refused_on_one_line(tmp_path, text, why):
    path = tmp_path / "hostile.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=why) as refused:
        read_yaml(path)
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xb5")
    for name in ("pipe", "folder", "loop", "latin"):
        with pytest.raises(ConfigError, match=f"{name}.yaml"):
            read_yaml(tmp_path / f"{name}.yaml")


def test_a_few_references_are_read(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text("a: &x {k: 1}\nb: {<<: *x, l: 2}\nc: *x\n")
    assert read_yaml(path) == {"a": {"k": 1}, "b": {"k": 1, "l": 2}, "c": {"k": 1}}


@pytest.mark.parametrize("settings", ["seed=" + "[" * 3000, "seed=" + "9" * 5000, "seed=*x", "seed={a: 1, a: 2}"])
def test_settings_that_would_do_harm_are_refused(settings):
    with pytest.raises(ConfigError, match="is not key=value") as refused:
        parse_settings(settings)
    assert len(str(refused.value)) < 500
