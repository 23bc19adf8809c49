"""Folds that Ray trains: on two real nodes on this machine, one of which is killed, and on a Ray of the command's own."""

import contextlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from safetensors.torch import save

from tests.conftest import REPOSITORY, Project
from tests.pipelines.test_initial_weights import REPOSITORY as HUB_REPOSITORY
from tests.pipelines.test_initial_weights import weights
from tests.pipelines.test_neighbours import METRIC
from tests.tiny_competition import make_tiny_competition

EPOCHS = {"tiny": 20, "small": 3}  # long enough to be killed half-way
NEIGHBOURS = "trainer: neighbours\nembeddings: [near]\n"


class Nodes:
    """The two nodes. `place` is a folder for their files, short enough for the names of sockets."""

    def __init__(self, place):
        self.place = place
        environment = {**os.environ, "RAY_TMPDIR": str(place), "TMPDIR": str(place), "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
        with (place / "stderr").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(REPOSITORY / "tests/pipelines/ray_nodes.py")],
                env=environment, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        self.address, self.first, self.second = self._answer("ready")

    def kill_second(self):
        self._ask("kill")
        self._answer("killed")

    def add_second(self):
        self._ask("add")
        (self.second,) = self._answer("added")

    def end(self):
        with self.process:
            self.process.stdin.close()

    def _ask(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def _answer(self, word):
        for line in self.process.stdout:
            if line.startswith(f"{word} ") or line == f"{word}\n":
                return line.split()[1:]
        raise AssertionError((self.place / "stderr").read_text())


@pytest.fixture(scope="module")
def nodes():
    place = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    made = Nodes(place)
    try:
        yield made
    finally:
        made.end()
    shutil.rmtree(place, ignore_errors=True)


def competition_in(root):
    make_tiny_competition(root)
    for model, epochs in EPOCHS.items():
        path = root / f"configs/models/{model}.yaml"
        path.write_text(path.read_text().replace("epochs: 3", f"epochs: {epochs}"))
    return Project(root)


@pytest.fixture
def project(tmp_path):
    return competition_in(tmp_path)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Where the local engine trained the six folds."""
    root = tmp_path_factory.mktemp("local")
    ended = competition_in(root).call("models", "--competition", "tiny", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    return root


def made(root):
    """Every file that two trainings have in common: predictions, weights, settings."""
    names = ("fold-*.parquet", "test-*.parquet", "weights-*.safetensors", "embeddings-*.parquet", "experiment.yaml")
    return {str(path.relative_to(root)): path.read_bytes() for name in names for path in (root / "oof/tiny").glob(f"*/{name}")}


def started(project, nodes, *arguments):
    """A command that trains on the cluster, with its output as it comes."""
    return subprocess.Popen(
        project.command("models", "--competition", "tiny", "--engine", "ray", *arguments),
        cwd=project.root, env=project.environment(RAY_ADDRESS=nodes.address), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(is_so, process, seconds=200):
    last = time.monotonic() + seconds
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < last
        time.sleep(0.02)


def processes_in(folder):
    """Processes whose working folder is `folder` or below it, that train a fold."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"fold_process" in (entry / "cmdline").read_bytes() and Path(os.readlink(entry / "cwd")).is_relative_to(folder):
                found.append(int(entry.name))
    return found


def lines_until_fold_on(process, node):
    """What the command prints until a fold runs on the node, and that fold's model and number."""
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.fullmatch(rf"(\w+) fold (\d): running on \S+/{node[:6]}\n", line):
            return said, found[1], int(found[2])
    raise AssertionError("".join(said) + process.stderr.read())


def checkpoint_grows(root, model, fold):
    """True once a checkpoint of that fold is in the project's folder, after some epochs."""
    curve = root / f"runs/tiny/{model}/fold-{fold}/curve.csv"
    return lambda: curve.exists() and len(curve.read_bytes().splitlines()) > 5 and (curve.parent / "checkpoint.torch").exists()


def test_six_folds_on_two_nodes_one_of_which_dies_have_the_bytes_of_the_local_engine(local, project, nodes):
    assert project.call("folds", "--competition", "tiny").returncode == 0
    process = started(project, nodes, "--checkpoint-minutes", "0.003")
    said, model, fold = lines_until_fold_on(process, nodes.second)
    wait_for(checkpoint_grows(project.root, model, fold), process)
    nodes.kill_second()
    rest, errors = process.communicate(timeout=900)
    nodes.add_second()
    text = "".join(said) + rest
    assert process.returncode == 0, text + errors
    assert made(project.root) == made(local)
    assert len(made(project.root)) == 6 * 3 + 2
    assert re.search(rf"^{model} fold {fold}: running, 2nd attempt, from epoch \d+ on \S+$", text, re.MULTILINE), text
    assert text.count(f"/{nodes.first[:6]}\n") >= 2
    assert "Traceback" not in errors
    assert not list(project.root.rglob("*.part"))
    assert not list((project.root / "runs").glob(".ray-*"))


def test_what_a_fold_needs_is_shipped_once_a_node_and_its_files_come_back_while_it_trains(local, project, nodes):
    assert project.call("folds", "--competition", "tiny").returncode == 0
    process = started(project, nodes, "--models", "tiny", "--checkpoint-minutes", "0.003", "--ship")
    said, model, fold = lines_until_fold_on(process, nodes.second)
    wait_for(checkpoint_grows(project.root, model, fold), process)
    copies = list(nodes.place.glob("hpa-toolkit-*/*"))
    assert {copy.name.rpartition("-")[2] for copy in copies} <= {nodes.first[:8], nodes.second[:8]}
    fetched = {copy: (copy / "data/tiny.cache/train-32/images.u8").stat().st_ino for copy in copies}
    nodes.kill_second()
    rest, errors = process.communicate(timeout=900)
    nodes.add_second()
    text = "".join(said) + rest
    assert process.returncode == 0, text + errors
    expected = {name: content for name, content in made(local).items() if "/tiny/tiny/" in name}
    assert made(project.root) == expected
    assert re.search(rf"^{model} fold {fold}: running, 2nd attempt, from epoch \d+ on \S+$", text, re.MULTILINE), text
    for copy, inode in fetched.items():
        assert (copy / "data/tiny.cache/train-32/images.u8").stat().st_ino == inode
    assert not list(copies[0].glob("data/tiny/t*/*.png"))
    assert not (project.root / "runs/tiny/tiny/fold-0/checkpoint.torch").exists()
    again = project.call("models", "--competition", "tiny", "--models", "tiny", "--workers", "1")
    assert again.stdout.count("complete, nothing to do") == 3


def fill_hub_cache(folder):
    """Initial weights as the client of timm's hub caches them."""
    commit = "0" * 40
    for name, content in (("refs/main", commit.encode()), (f"snapshots/{commit}/model.safetensors", save(weights()))):
        path = folder / f"models--{HUB_REPOSITORY.replace('/', '--')}" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)


def test_models_that_depend_on_others_come_last_and_get_their_embeddings_and_initial_weights(project, nodes):
    fill_hub_cache(project.root / "cache")
    environment = {"HF_HUB_CACHE": str(project.root / "cache")}
    (project.root / "configs/models/near.yaml").write_text(METRIC.replace("scratch", "timm"))
    (project.root / "configs/models/votes.yaml").write_text(NEIGHBOURS)
    arguments = ("models", "--competition", "tiny", "--models", "votes", "near")
    ended = project.type(*arguments, "--engine", "ray", "--ship", **environment, RAY_ADDRESS=nodes.address)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    on_nodes = made(project.root)
    assert len(on_nodes) == 3 * 2 + 3 * 4 + 2
    shutil.rmtree(project.root / "oof")
    assert project.type(*arguments, "--workers", "1", **environment).returncode == 0
    assert made(project.root) == on_nodes


def test_an_error_of_a_fold_is_one_line_and_neither_it_nor_those_that_wait_are_tried(project, nodes):
    alone = "train.lr=1e30 train.warmup_epochs=0 resources.cpus=2"  # one node has as many, so one fold trains at a time
    arguments = ("models", "--competition", "tiny", "--models", "tiny", "--engine", "ray", "--set", alone)
    ended = project.type(*arguments, RAY_ADDRESS=nodes.address)
    assert "tiny fold 0: training diverged, the loss is nan in epoch 1" in project.refused(ended)
    assert "attempt" not in ended.stdout
    said = ended.stdout.splitlines()
    assert [line for line in said if "running" in line] == [f"tiny fold 0: running on {os.uname().nodename}/{nodes.first[:6]}"]
    assert {"tiny fold 0: failed", "tiny fold 1: not started", "tiny fold 2: not started"} <= set(said)


def test_more_than_any_node_has_is_one_line(project, nodes):
    settings = ("--set", "resources.gpus=8")
    arguments = ("models", "--competition", "tiny", "--models", "tiny", "--engine", "ray")
    line = project.refused(project.type(*arguments, *settings, RAY_ADDRESS=nodes.address))
    assert line == (
        'error: tiny fold 0 asks for gpus 8, and the most that a node of the cluster has is gpus 0: ask for less: SET="resources.gpus=0"'
    )
    assert not (project.root / "oof").exists()


def test_ctrl_c_stops_all_tasks_and_the_folds_go_on_elsewhere(local, project, nodes):
    assert project.call("folds", "--competition", "tiny").returncode == 0
    process = started(project, nodes, "--models", "tiny", "--checkpoint-minutes", "0.003")
    said, model, fold = lines_until_fold_on(process, nodes.second)
    wait_for(checkpoint_grows(project.root, model, fold), process)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=900)
    assert process.returncode == 130, "".join(said) + rest + errors
    assert errors.endswith("stopped; complete files and checkpoints are kept, and the same command resumes from them\n")
    last = time.monotonic() + 20
    while processes_in(project.root):
        assert time.monotonic() < last
        time.sleep(0.05)
    assert (project.root / f"runs/tiny/{model}/fold-{fold}/checkpoint.torch").exists()
    assert project.call("models", "--competition", "tiny", "--models", "tiny", "--workers", "1").returncode == 0
    assert made(project.root) == {name: content for name, content in made(local).items() if "/tiny/tiny/" in name}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:{free}", "no Ray cluster at RAY_ADDRESS=127.0.0.1:{free} (Connection refused): start it with: ray start --head"),
        ("127.0.0.1:{other}", "there is no Ray cluster at RAY_ADDRESS=127.0.0.1:{other} (no answer): start it"),
        ("ray://somewhere:1", "RAY_ADDRESS=ray://somewhere:1 is no address of a cluster: write host:port of its head"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line_soon(project, monkeypatch, address, message):
    monkeypatch.setattr("comp.training.engines.ray_cluster.PATIENCE", 0.5)
    with socket.socket() as free, socket.socket() as other:
        for each in (free, other):
            each.bind(("127.0.0.1", 0))
        other.listen()
        ports = {"free": free.getsockname()[1], "other": other.getsockname()[1]}
        monkeypatch.setenv("RAY_ADDRESS", address.format(**ports))
        began = time.monotonic()
        ended = project.call("models", "--competition", "tiny", "--engine", "ray")
    assert message.format(**ports) in project.refused(ended)
    assert time.monotonic() - began < 20
    assert not (project.root / "oof").exists()


def test_a_ray_of_its_own_draws_a_table_on_a_terminal(project):
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        project.command("models", "--competition", "tiny", "--models", "tiny", "--engine", "ray", "--set", "train.epochs=1"),
        cwd=project.root, stdout=theirs, stderr=subprocess.PIPE,
        env=project.environment(RAY_TMPDIR=place, RAY_worker_niceness="0", COLUMNS="100", LINES="30"),
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # Linux's way to say that the other side is closed
        while piece := os.read(ours, 65536):
            said += piece
    os.close(ours)
    errors = process.communicate(timeout=900)[1].decode()
    shutil.rmtree(place, ignore_errors=True)
    assert process.returncode == 0, said.decode() + errors
    assert errors == ""
    last = said.decode().replace("\r", "").removesuffix("\x1b[0m").split("\x1b[J")[-1].splitlines()
    assert [line.split() for line in last] == [["fold", "state", "node", "epoch", "loss", "left"]] + [
        ["tiny", "fold", str(fold), "finished", os.uname().nodename] for fold in range(3)
    ]
    assert len(made(project.root)) == 3 * 3 + 1


WITHOUT = """
import sys
sys.modules["ray"] = None
sys.argv = ["models", "--competition", "tiny", "--engine", "ray"]
from pipelines import command, models
command.run(models.main)
"""


def test_without_ray_one_line_says_how_to_install_it(project):
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    line = project.refused(ended)
    assert line.startswith("error: ENGINE=ray needs the Python package 'ray', which is not installed: ")
    assert re.search(r"python\S* -m pip install .*ray$", line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine", "dask"), "error: there is no engine 'dask': choose one of: local, ray"),
        (("--ship",), "error: SHIP=1 copies files to the nodes of a cluster, and this engine has none: add ENGINE=ray, or leave SHIP out"),
    ],
)
def test_mistakes_are_one_line(project, arguments, message):
    assert project.refused(project.call("models", "--competition", "tiny", *arguments)) == message
