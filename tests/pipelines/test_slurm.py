"""The job array that `make slurm` prints."""

import shutil
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


def slurm(project, *arguments):
    ended = project.call("slurm", "--competition", "tiny", "--model", "tiny", *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_one_element_trains_its_fold(project):
    script = slurm(project, "--set", "train.epochs=2 resources.gpus=0 resources.cpus=3 resources.memory_gb=1.5", "--no-keep")
    path = project.root / "tiny.sbatch"
    path.write_text(script)
    subprocess.run(["bash", "-n", path], check=True)
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert lines[1].startswith("# make slurm COMP=tiny MODEL=tiny SET=")
    assert lines[1].endswith("; sbatch --dependency=afterok:$(sbatch --parsable tiny.sbatch) --wrap 'make stack COMP=tiny'")
    options = {line for line in lines if line.startswith("#SBATCH ")}
    assert options == {
        "#SBATCH --job-name=tiny", "#SBATCH --array=0-2", "#SBATCH --requeue", "#SBATCH --open-mode=append", "#SBATCH --cpus-per-task=3",
        "#SBATCH --mem=1500M", f"#SBATCH --output={project.root}/runs/tiny/tiny/slurm-%a.log",
    }  # fmt: skip
    assert (project.root / "data/tiny.cache/train-32/index.json").exists()
    assert not list((project.root / "oof/tiny").glob("tiny/*"))

    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy2(REPOSITORY / name, project.root)
    python = project.root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (project.root / ".venv/.ready").touch()
    environment = project.environment(SLURM_ARRAY_TASK_ID="1")
    ended = subprocess.run(["bash", path], cwd="/", env=environment, text=True, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "tiny fold 1: macro F1" in ended.stdout
    assert [file.name for file in (project.root / "oof/tiny/tiny").glob("*-*")] != []
    assert (project.root / "oof/tiny/tiny/fold-1.parquet").exists()
    assert not list((project.root / "oof/tiny/tiny").glob("*-0.*"))
    assert not list((project.root / "oof/tiny/tiny").glob("weights-*"))


def test_a_network_gets_a_gpu_unless_its_yaml_says_otherwise(project):
    assert "#SBATCH --gres=gpu:1\n" in slurm(project)
    assert "#SBATCH --gres=gpu:2\n" in slurm(project, "--set", "resources.gpus=2")


@pytest.mark.parametrize(("settings", "message"), [("size=0", "size = 0 does not fit"), ("resources.gpu=1", "unknown key 'resources.gpu'")])
def test_a_model_that_cannot_be_trained_is_refused_and_no_script_is_printed(project, settings, message):
    ended = project.call("slurm", "--competition", "tiny", "--model", "tiny", "--set", settings)
    assert message in project.refused(ended)
    assert ended.stdout == ""
