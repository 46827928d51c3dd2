"""As many broken statements as one likes: `python -m tests.fuzz.run --inputs 200000 [--seed 7]`.

Each input goes through the three wires: parsed and planned, a share of them (`--run`) run as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.harness import Harness, Problem
from tests.fuzz.inputs import statement


def main() -> int:
    """Feeds the inputs, prints the problems. Returns: 0 if there were none."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--inputs", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=float, default=0.2, help="share of the inputs that are run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-fuzz-") as home:
        harness = Harness(Path(home) / "data")
        try:
            _feed(harness, options)
        finally:
            harness.close()
    counts = {kind.name: count for kind, count in sorted(harness.errors.items(), key=str)}
    print(f"{harness.inputs} inputs, errors {counts}, problems {len(harness.problems)}")
    return 1 if harness.problems else 0


def _feed(harness: Harness, options: argparse.Namespace) -> None:
    shown: set[str] = set()
    began, number = time.monotonic(), 0
    while harness.inputs < options.inputs:
        chance = random.Random(options.seed * 1_000_003 + number)
        number += 1
        known = len(harness.problems)
        harness.feed(statement(chance), run=chance.random() < options.run)
        for problem in harness.problems[known:]:
            _show(problem, shown)
        if number % 2_000 == 0:
            print(f"{harness.inputs} inputs, {time.monotonic() - began:.0f} s", flush=True)


def _show(problem: Problem, shown: set[str]) -> None:
    kind = problem.what[:60]
    if kind not in shown:
        shown.add(kind)
        print(f"--- {problem.wire.name}\n{problem.text}\n    {problem.what}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
