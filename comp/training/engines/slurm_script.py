"""A job array for Slurm: a script for sbatch with one element a fold."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from comp.competition.experiments.experiment import Resources


def slurm_script(name: str, folds: int, demand: Resources, log: Path, variables: Mapping[str, str]) -> str:
    """The script. Its second line says how to submit it, with `make stack` as a job that waits for it.

    Args:
        name: of the jobs.
        demand: what one fold gets.
        log: where the output goes, in the project's folder; %a is the fold.
        variables: of make, e.g. {"MODEL": "densenet121"}.
    """
    typed = " ".join(f"{key}={shlex.quote(value)}" for key, value in variables.items())
    stack = shlex.quote(f"make stack COMP={shlex.quote(variables['COMP'])}")
    script = shlex.quote(f"{name}.sbatch")
    folder = Path.cwd()
    output = Path(str((folder / log).parent).replace("%", "%%"), log.name)
    lines = [
        "#!/bin/bash",
        f"# make slurm {typed} > {script}; sbatch --dependency=afterok:$(sbatch --parsable {script}) --wrap {stack}",
        f"#SBATCH --job-name={shlex.quote(name)}",
        f"#SBATCH --array=0-{folds - 1}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        f"#SBATCH --output={shlex.quote(str(output))}",
        f"#SBATCH --cpus-per-task={demand.cpus}",
    ]
    if demand.gpus:
        lines.append(f"#SBATCH --gres=gpu:{demand.gpus}")
    if demand.memory_gb:
        lines.append(f"#SBATCH --mem={round(demand.memory_gb * 1000)}M")
    return "\n".join([*lines, f"cd {shlex.quote(str(folder))} || exit 1", f'exec make "fold-$SLURM_ARRAY_TASK_ID" {typed}'])
