"""Ray, imported without its statistics of use and its tips, and with waits that end."""

import os

for name, value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_server_request_timeout_seconds": "20",
}.items():
    os.environ.setdefault(name, value)

import ray  # noqa: E402  # reads them
from ray import exceptions  # noqa: E402
from ray._private import worker  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

worker.print_to_stdstream = lambda *_, **__: None  # the logs of nodes that die, which it prints over the table whatever it is asked

__all__ = ["NodeAffinitySchedulingStrategy", "exceptions", "ray"]
