"""A Ray cluster of two nodes on this machine, with two CPUs and with one, as a process of its own: python ray_nodes.py

It prints its address and the ids of its nodes. On its input, "kill" kills the second node, and "add" starts another, whose id it prints.
It ends with its nodes when its input ends.
"""

import sys

from ray.cluster_utils import Cluster

FAST = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
    "worker_niceness": 0,  # as other tests, which would else take all processors
}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False, "_system_config": FAST})
    try:
        second = cluster.add_node(num_cpus=1)
        print("ready", cluster.address, cluster.head_node.node_id, second.node_id, flush=True)
        for line in sys.stdin:
            if line == "kill\n":
                cluster.remove_node(second, allow_graceful=False)
                print("killed", flush=True)
            else:
                second = cluster.add_node(num_cpus=1)
                print("added", second.node_id, flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
