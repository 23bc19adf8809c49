"""What a copy of the project holds, and files that come back from a node."""

from pathlib import Path

import pytest

from comp.base.errors import CompError
from comp.competition.competition import load_competition
from comp.competition.experiments.load import load_experiment
from comp.training.engines.demand import demand_of
from comp.training.engines.shipping import Incoming, own_files, texts_of
from comp.training.fold_job import FoldJob
from tests.tiny_competition import make_tiny_competition

JOB = FoldJob("tiny", "tiny", 1)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_competition(tmp_path)
    monkeypatch.chdir(tmp_path)


def test_a_file_takes_its_place_when_it_is_whole() -> None:
    path, incoming = Path("oof/tiny/tiny/weights-1.safetensors"), Incoming(JOB)
    incoming.begin(str(path))
    incoming.add(b"one")
    assert not path.exists()
    incoming.add(b"two")
    incoming.end()
    assert path.read_bytes() == b"onetwo"
    incoming.begin(str(path))
    incoming.add(b"lost")
    incoming.close()
    assert path.read_bytes() == b"onetwo"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    again = Incoming(JOB)  # the lock is free
    again.remove(str(path))
    again.close()
    assert not path.exists()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "comp/base/files.py", "oof/tiny/other/fold-1.parquet", "runs/tiny/tiny/fold-0/x"])
def test_a_node_can_write_only_files_of_its_fold(name: str) -> None:
    incoming = Incoming(JOB)
    with pytest.raises(CompError, match="which is no file of this fold"):
        incoming.begin(name)
    incoming.close()


def test_own_files_are_those_of_the_fold_without_locks() -> None:
    made = ("fold-1.parquet", "fold-11.parquet", "weights-1.safetensors", "experiment.yaml", "fold-0.parquet", ".fold-1.parquet.x.part")
    for name in made:
        path = Path("oof/tiny/tiny", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    run = Path("runs/tiny/tiny/fold-1")
    run.mkdir(parents=True)
    for name in ("lock", "lock.holder", "curve.csv", "checkpoint.torch"):
        (run / name).write_text(name)
    found = own_files(JOB)
    assert {Path(name).name for name in found} == {
        "checkpoint.torch", "curve.csv", "experiment.yaml", "fold-1.parquet", "weights-1.safetensors",
    }  # fmt: skip


def test_the_competition_of_a_copy_is_the_same_apart_from_its_data(tmp_path: Path) -> None:
    yaml = Path("configs/competitions/tiny.yaml")
    yaml.write_text(yaml.read_text().replace("data/tiny", str(tmp_path / "elsewhere")).replace("Tiny", "Zürich 🧬"))
    competition = load_competition("tiny")
    for name, content in texts_of(competition).items():
        Path("copy", name).parent.mkdir(parents=True, exist_ok=True)
        Path("copy", name).write_text(content)
    assert load_competition("tiny", Path("copy")) == competition.model_copy(update={"data": "data/tiny"})


def test_resources_change_no_hash_and_have_defaults() -> None:
    competition = load_competition("tiny")
    plain = load_experiment("tiny", competition)
    asked = load_experiment("tiny", competition, {"resources": {"gpus": 2, "memory_gb": 8}})
    assert asked.hash == plain.hash
    assert asked.model_dump() == plain.model_dump()
    assert demand_of(asked, has_gpus=False).model_dump() == {"gpus": 2, "cpus": 1, "memory_gb": 8.0}
    assert [demand_of(plain, has_gpus).gpus for has_gpus in (False, True)] == [0, 1]
    threads = load_experiment("tiny", competition, {"train": {"threads": 3}})
    assert demand_of(threads, has_gpus=True).cpus == 3
