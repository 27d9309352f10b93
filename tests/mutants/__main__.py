"""Plant small faults in named modules, and count those that the tests notice.

    python -m tests.mutants [MODULE …] [--seed N] [--sample N | --all]

`modules.toml` names the modules, the tests that hold each and the share of faults that
must be noticed. Golden files are not among those tests: a whole result that was renewed
holds the fault as faithfully as it held the law. `equivalent.toml` names faults that
change nothing, each with the reason.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.mutants import child
from tests.mutants.modules import ROOT, Module, equivalent_mutants, named_modules
from tests.mutants.operators import Mutant, mutants_of_source, mutated_source

SAMPLE = 40


@dataclass(frozen=True)
class Planted:
    """A mutant, with its number in the file it stands in."""

    number: int
    mutant: Mutant


def planted_mutants(module: Module) -> list[Planted]:
    """Return all mutants of a module's files and functions."""
    return [
        Planted(number, mutant)
        for path in module.files
        for number, mutant in enumerate(
            mutants_of_source(path, (ROOT / "src/commonwatt" / path).read_text("utf-8"))
        )
        if not module.functions or mutant.function.split(".")[0] in module.functions
    ]


def check_equivalents_exist(module: Module, planted: list[Planted]) -> None:
    """Refuse a listed equivalent that no longer is a mutant: its reason may be void, too."""
    stale = set(equivalent_mutants(module.name)) - {each.mutant.key for each in planted}
    if stale:
        sys.exit(f"equivalent.toml, {module.name}: no such mutant any more: {sorted(stale)}")


def run_module(module: Module, *, seed: int, sample: int | None, match: str = "") -> bool:
    """Plant a seeded sample, print what survived, and return whether the floor is held."""
    planted = planted_mutants(module)
    check_equivalents_exist(module, planted)
    equivalents = equivalent_mutants(module.name)
    real = [
        each for each in planted if each.mutant.key not in equivalents and match in str(each.mutant)
    ]
    chance = random.Random(f"{seed}:{module.name}")
    chosen = real if sample is None else chance.sample(real, min(sample, len(real)))
    with tempfile.TemporaryDirectory() as folder:
        survivors = _survivors(module, chosen, Path(folder))
    killed = len(chosen) - len(survivors)
    share = killed / len(chosen)
    for mutant, why in survivors:
        print(f"  survived ({why}): {mutant}")
    print(
        f"{module.name}: {killed} of {len(chosen)} mutants killed ({share:.1%}, floor "
        f"{module.floor:.0%}); {len(real)} in all, {len(equivalents)} equivalent; seed {seed}",
        flush=True,
    )
    return share >= module.floor


def _survivors(module: Module, chosen: list[Planted], folder: Path) -> list[tuple[Mutant, str]]:
    package = folder / "src" / "commonwatt"
    shutil.copytree(ROOT / "src" / "commonwatt", package)
    child.prepare(ROOT, package.parent)
    baseline = child.measure_baseline(ROOT, package, module.files, module.tests)
    for path in module.files:  # a stale bytecode would be run in place of the fault
        file = package / path
        for bytecode in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            bytecode.unlink()
    child.preload(baseline.third_party)
    survivors: list[tuple[Mutant, str]] = []
    talks = sys.stderr.isatty() or os.environ.get("MUTANTS_PROGRESS")
    for count, each in enumerate(chosen, 1):
        verdict = _verdict(package, each, baseline)
        if verdict:
            survivors.append((each.mutant, verdict))
        if talks:
            outcome = verdict or "killed"
            print(f"{count}/{len(chosen)} {outcome}: {each.mutant}", file=sys.stderr)
    return survivors


def _verdict(package: Path, each: Planted, baseline: child.Baseline) -> str:
    """Return why the mutant survived; empty where a test noticed it."""
    # A tracer names a statement over several lines by its first.
    tests = baseline.tests_of_line(each.mutant.path, each.mutant.line) or baseline.tests_of_line(
        each.mutant.path, each.mutant.statement_line
    )
    if not tests:
        return "no test reaches the line"
    file = package / each.mutant.path
    original = file.read_text("utf-8")
    file.write_text(mutated_source(original, each.number), "utf-8")
    try:
        limit_s = 60 + 10 * sum(baseline.seconds[test] for test in tests)
        noticed = any(child.noticed(ROOT, some, limit_s) for some in child.tests_by_file(tests))
        return "" if noticed else f"{len(tests)} tests passed"
    finally:
        file.write_text(original, "utf-8")


def main() -> None:
    """Run the modules named, each in a process of its own."""
    modules = named_modules()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(modules))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--list", action="store_true", help="only list the mutants, as JSON")
    parser.add_argument("--match", default="", help="only mutants whose line holds this text")
    options = parser.parse_args()
    unknown = set(options.modules) - set(modules)
    if unknown:
        parser.error(f"no module {', '.join(sorted(unknown))}; there are {', '.join(modules)}")
    names = options.modules or list(modules)
    if options.list:
        print(
            json.dumps([e.mutant.key for n in names for e in planted_mutants(modules[n])], indent=1)
        )
        return
    if len(names) > 1:
        # A process each, because a module's heavy imports and its compiler switch are its own.
        arguments = [a for a in sys.argv[1:] if a not in names]
        command = [sys.executable, "-m", "tests.mutants", *arguments]
        began = time.monotonic()
        failed = [n for n in names if subprocess.run([*command, n], cwd=ROOT).returncode]
        print(f"{time.monotonic() - began:.0f} s; below the floor: {', '.join(failed) or 'none'}")
        sys.exit(bool(failed))
    module = modules[names[0]]
    if not module.compiled:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    sample = None if options.all else options.sample
    sys.exit(not run_module(module, seed=options.seed, sample=sample, match=options.match))


if __name__ == "__main__":
    main()
