"""As many kill -9 rounds as one likes: `python -m tests.crash.run --rounds 100 [--seed 7]`."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.crash.harness import Harness


def main() -> int:
    """Runs the rounds, prints a summary. Returns: 0 if nothing was lost, torn or left over."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-flush", action="store_true", help="leave every row in the log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-crash-") as home:
        harness = Harness(Path(home), options.seed, flush=not options.no_flush)
        try:
            harness.prepare()
            for number in range(1, options.rounds + 1):
                harness.round()
                if number % 10 == 0 or harness.summary.problems:
                    _print(harness)
                if harness.summary.problems:
                    break
        finally:
            harness.server.stop()
            if harness.summary.problems:
                print(harness.log_of_errors())
    for problem in harness.summary.problems[:50]:
        print("  " + problem)
    return 1 if harness.summary.problems else 0


def _print(harness: Harness) -> None:
    now = harness.summary
    recovery = now.recovery_seconds
    print(
        f"{now.rounds} rounds: {now.units} units acknowledged or settled, {now.rows} rows there; "
        f"in flight at the kill: {now.unsure_kept} kept whole, {now.unsure_lost} gone whole; "
        f"{now.kills_in_recovery} more kills during recovery; ready again after "
        f"{statistics.median(recovery):.2f} s (median), {max(recovery):.2f} s (worst); "
        f"{len(now.problems)} problems",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
