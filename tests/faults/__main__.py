"""Inject every fault, and print what the commands did.

    make faults                           all of them
    python -m tests.faults --only kills   one kind, or the faults whose name contains a word

A command that meets a fault ends in one line and exit code 2, or goes on with the results of an undisturbed run. Anything else is a
failure: a traceback, a hang, other results, a half-written file that the same command does not mend.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from comp.base.processes import cores
from comp.base.progress import LogBar, say
from tests.faults import damage, hostile, machine
from tests.faults.injection import Injection
from tests.faults.world import World, build

SOURCES = (machine, damage, hostile)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", default="", metavar="WORD", help="the faults whose kind or name contains this")
    options = arguments.parse_args()
    chosen = [each for source in SOURCES for each in source.injections() if options.only in f"{each.kind}: {each.name}"]
    with tempfile.TemporaryDirectory() as folder:
        say("making a competition with trained models")
        world = build(Path(folder) / "world")
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        failures = 0
        with ThreadPoolExecutor(cores()) as pool, LogBar(total=len(chosen), desc="faults", unit="fault") as bar:
            results = pool.map(lambda numbered: _inflicted(world, *numbered), enumerate(chosen))
            for injection, (verdict, wrong) in zip(chosen, results, strict=True):
                counts[injection.kind][verdict] += 1
                if wrong:
                    failures += 1
                    say(f"FAILED {injection.kind}: {injection.name}: {wrong}")
                bar.update()
    say(f"{'kind':<16}{'faults':>8}{'refused':>9}{'went on':>9}{'failed':>8}")
    for kind, found in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        say(f"{kind:<16}{found.total():>8}{found['refused']:>9}{found['went on']:>9}{found['failed']:>8}")
    sys.exit(1 if failures else 0)


def _inflicted(world: World, number: int, injection: Injection) -> tuple[str, str]:
    copy = world.copy(world.root.with_name(f"fault-{number}"))
    try:
        return injection.verdict(copy, world)
    finally:
        shutil.rmtree(copy.root, ignore_errors=True)


if __name__ == "__main__":
    main()
