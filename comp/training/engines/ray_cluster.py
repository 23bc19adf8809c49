"""Connecting to Ray: the cluster that RAY_ADDRESS names, else a Ray of this command's own on this machine."""

import logging
import os
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from comp.base.errors import CompError, ConfigError
from comp.competition.experiments.experiment import Resources
from comp.training.engines.demand import demand_of
from comp.training.engines.quiet_ray import ray
from comp.training.fold_job import FoldJob

ADDRESS = "RAY_ADDRESS"
OBJECT_STORE = 200 * 2**20  # bytes, of a Ray on this machine: its one node sees all files
GB = 1e9
PATIENCE = 10.0  # seconds
SETTINGS = b"\4"  # the type of the frame that a server of HTTP/2, as gRPC is, answers with
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + SETTINGS + bytes(5)
START = "start it with: ray start --head; or leave RAY_ADDRESS out to train on this machine"


@dataclass(frozen=True)
class Node:
    """A node: Ray's id, its host, what it has."""

    id: str
    host: str
    gpus: float
    cpus: float
    memory_gb: float


class Cluster:
    """A Ray that this command is connected to."""

    @property
    def nodes(self) -> list[Node]:
        """Those that live."""
        found = []
        for node in ray.nodes():
            has = node["Resources"]
            if node["Alive"]:
                memory = has.get("memory", 0) / GB
                found.append(Node(node["NodeID"], node["NodeManagerHostname"], has.get("GPU", 0), has.get("CPU", 0), memory))
        return found

    @cached_property
    def has_gpus(self) -> bool:
        return any(node.gpus for node in self.nodes)

    def name(self, node_id: str) -> str:
        """The host of a node; with a part of its id if several nodes are on that host."""
        hosts = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes()}
        host = hosts.get(node_id, "?")
        return host if Counter(hosts.values())[host] == 1 else f"{host}/{node_id[:6]}"

    def check_fits(self, jobs: list[FoldJob]) -> None:
        """Raise ConfigError if a job asks for more than any node has."""
        nodes = self.nodes
        for job in jobs:
            demand = demand_of(job.load()[1], self.has_gpus)
            if not any(fits(demand, node) for node in nodes):
                raise too_much(job, demand, nodes)


def fits(demand: Resources, node: Node) -> bool:
    return (demand.gpus or 0) <= node.gpus and (demand.cpus or 1) <= node.cpus and (demand.memory_gb or 0) <= node.memory_gb


def too_much(job: FoldJob, demand: Resources, nodes: list[Node]) -> ConfigError:
    """The error of a job that no node is large enough for."""
    asked = {"gpus": demand.gpus or 0, "cpus": demand.cpus or 1, "memory_gb": demand.memory_gb or 0}
    most = {what: max(getattr(node, what) for node in nodes) for what in asked}
    over = [what for what in asked if asked[what] > most[what]] or list(asked)
    what = f"{job.name} asks for {', '.join(f'{name} {asked[name]:g}' for name in over)}"
    has = ", ".join(f"{name} {most[name]:.3g}" for name in over)
    less = " ".join(f"resources.{name}={int(most[name])}" for name in over)
    return ConfigError(f"{what}, and the most that a node of the cluster has is {has}", f'ask for less: SET="{less}"')


@contextmanager
def connected() -> Iterator[Cluster]:
    """A connection to Ray, closed in the end; with it end all tasks, and a Ray that was started for it.

    Raises:
        CompError: the cluster does not answer, or is of another version.
    """
    address = os.environ.get(ADDRESS, "")
    if address:
        check_answers(address)
    own = {} if address else {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    try:
        ray.init(address=address or "local", logging_level=logging.CRITICAL, log_to_driver=False, **own)
    except Exception as error:  # Ray raises what it likes
        raise explained(address, error) from None
    try:
        yield Cluster()
    finally:
        ray.shutdown()


def check_answers(address: str) -> None:
    """Raise CompError if no server of gRPC, as that of Ray, listens at the address; Ray itself would try for minutes.

    Raises:
        ConfigError: it is no address.
    """
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not host or "/" in host:
        raise ConfigError(f"{ADDRESS}={address} is no address of a cluster", "write host:port of its head, on a machine that is part of it")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as connection:
            if os.environ.get("RAY_USE_TLS", "0") in ("0", ""):
                connection.sendall(HTTP2)
                if connection.recv(9)[3:4] != SETTINGS:
                    raise ConnectionError("something else listens there")
    except (OSError, OverflowError) as error:
        reason = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or error
        raise CompError(f"there is no Ray cluster at {ADDRESS}={address} ({reason})", START) from None


def explained(address: str, error: Exception) -> CompError:
    """An error of ray.init as one line."""
    text = " ".join(f"{error} {error.__cause__ or ''}".split())
    where = f"the Ray cluster at {ADDRESS}={address}" if address else "Ray on this machine"
    if version := re.search(r"started with: Ray: (\S+) Python: (\S+) .*started with: Ray: (\S+) Python: (\S+)", text):
        what = f"{where} has Ray {version[1]} and Python {version[2]}, and this command Ray {version[3]} and Python {version[4]}"
        return CompError(what, f"install the same on both: pip install ray=={version[1]}")
    if "No node info found" in text or "possible node" in text:
        return CompError(f"{where} has no node on this machine", f"make it one, or type the command on one: ray start --address={address}")
    return CompError(f"{where} does not answer ({text[:200]})", START if address else "look into /tmp/ray/session_latest/logs")
