"""A sweep of injected faults: damaged files, hostile values, full disks, kills, races, wrong clocks."""
