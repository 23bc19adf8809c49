"""One injected fault, and what must be true afterwards: a line and exit code 2, or the same results as without the fault."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults.world import Ended, World

INTERRUPTED = {130, 141, -2}  # Ctrl-C, a closed pipe, Ctrl-C while the command is still loading


@dataclass(frozen=True)
class Injection:
    """A fault and the command that meets it.

    Attributes:
        kind, name: for the report.
        command: what is typed, as a module of `pipelines` and its arguments.
        inflict: does the damage before.
        run: how the command is run; None: once, to its end.
        says: a word that must be in the output of a command that goes on; without one it may go on silently, with equal results.
        afterwards: whether the command, typed again without the fault, must end with the results of an undisturbed run.
    """

    kind: str
    name: str
    command: Sequence[str]
    inflict: Callable[[World], None] = lambda world: None
    run: Callable[[World, Sequence[str]], list[Ended]] | None = None
    says: str = ""
    afterwards: bool = False

    def verdict(self, world: World, undisturbed: World) -> tuple[str, str]:
        """("refused" or "went on", "") or ("failed", what was wrong)."""
        self.inflict(world)
        ended = self.run(world, self.command) if self.run else [world.type(self.command)]
        for each in ended:
            if wrong := wrong_ending(each):
                return "failed", wrong
        if self.afterwards:
            last = world.type(self.command)
            if last.code != 0:
                return "failed", f"typed again it ends with {last.code}: {last.err[-300:]}"
            if wrong := differing(world.results(), undisturbed.results()):
                return "failed", f"typed again: {wrong}"
        elif ended[-1].code == 0:
            if self.says not in ended[-1].out + ended[-1].err:
                return "failed", f"nothing says {self.says!r}: {ended[-1].out[-200:]}"
            if not self.says and (wrong := differing(world.contents(), undisturbed.contents())):
                return "failed", f"it went on and {wrong}"
        return ("refused" if any(each.code == 2 for each in ended) else "went on"), ""


def wrong_ending(ended: Ended) -> str:
    """What is wrong with how a command ended; empty if nothing is."""
    if ended.code is None:
        return f"it hangs: {ended.out[-200:]}"
    if "Traceback" in ended.err + ended.out:
        return f"a traceback: {ended.err[-500:]}"
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ") or ": error: " in line]
    if ended.code == 2 and len(errors) != 1 and ended.err:
        return f"{len(errors)} error lines: {ended.err[-300:]}"
    if ended.code not in (0, 2, -9) and ended.code not in INTERRUPTED:
        return f"exit code {ended.code}: {ended.err[-300:]}"
    return ""


def differing(found: dict[str, str], expected: dict[str, str]) -> str:
    wrong = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
    return f"{wrong[0]} differs ({len(wrong)} files)" if wrong else ""
