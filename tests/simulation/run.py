"""Runs many seeded histories: `python -m tests.simulation.run --seeds 0:10000 --jobs 2`."""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path


def run_one(task: tuple[int, int]) -> tuple[int, str | None]:
    """One seed in a directory of its own, in memory where the machine has such."""
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    run_seed = import_module("simulated_run").run_seed
    seed, steps = task
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    try:
        run_seed(seed, directory / "data", steps)
    except AssertionError as error:
        return seed, str(error)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return seed, None


def main() -> int:
    """Prints each seed that fails and a count; 1 if any did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:100", help="FIRST:LAST, the last one not included")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    started, failed = time.monotonic(), 0
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=200) as pool:
        tasks = ((seed, options.steps) for seed in range(first, last))
        for done, (_seed, problem) in enumerate(pool.imap_unordered(run_one, tasks), 1):
            if problem is not None:
                failed += 1
                print(problem, "\n", flush=True)
            if done % 500 == 0:
                print(
                    f"{done} seeds, {failed} failed, {time.monotonic() - started:.0f} s", flush=True
                )
    print(f"{last - first} seeds, {failed} failed, {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
