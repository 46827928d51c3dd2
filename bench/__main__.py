"""`make bench`, or by hand: `python -m bench [--quick] [--write] [result_path insert point ...]`.

Prints every figure beside the peer's of the same run; `--write` appends them to bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable

from bench import (
    browse,
    connections,
    copy_files,
    insert,
    logs,
    lookups,
    memory,
    metrics,
    plan,
    point,
    ranges,
    result_path,
    samples,
    tsbs,
)
from bench.launch import ServerStartError
from bench.peers import MissingPeerError
from bench.report import Figure, publish

Run = Callable[[int, int], tuple[list[Figure], list[str]]]
# Name: what runs it, rows in full, title.
SUITES: dict[str, tuple[Run, int, str]] = {
    "result_path": (result_path.run, 1_000_000, "Results to drivers, 1 M rows of 10 columns"),
    "insert": (insert.run, 500_000, "Durable inserts over two connections"),
    "point": (point.run, 4_000_000, "Small questions"),
    "browse": (browse.run, 1_000, "Browsing 1000 tables of 50 columns"),
    "lookups": (lookups.run, 1_000_000, "Rows by key"),
    "plan": (plan.run, 0, "Parse and plan of dashboard queries"),
    "tsbs": (tsbs.run, 4_320_000, "TSBS cpu, 1000 hosts, 12 hours"),
    "samples": (samples.run, 4_320_000, "Samples as arrays, 1000 hosts, 12 hours"),
    "metrics": (metrics.run, 1_440_000, "Metrics: remote write, line protocol and PromQL"),
    "ranges": (ranges.run, 8_640_000, "RANGE beside GROUP BY, 1000 hosts, 24 hours"),
    "logs": (logs.run, 2_000_000, "Searches in access logs, a day of one site"),
    "connections": (connections.run, 0, "Many connections"),
    "copy": (copy_files.run, 2_000_000, "COPY to and from files, 12 columns"),
    "memory": (memory.run, 1_000_000, "Memory under large results"),
}
QUICK_SHARE = 10


def main() -> int:
    """Runs the suites asked for, or all. Returns: 0, or 2 if a peer is not installed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], metavar="SUITE")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one repetition")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    options = parser.parse_args()
    # A terminated measurement has to stop its servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in options.suites or SUITES:
        run, rows, title = SUITES[name]
        rows, times = (rows // QUICK_SHARE, 1) if options.quick else (rows, options.times)
        try:
            figures, versions = run(rows, times)
        except MissingPeerError as missing:
            print(f"{name} cannot run: {missing}")
            return 2
        except ServerStartError as error:
            print(f"{name} cannot run: {error}")
            return 1
        publish(title, figures, versions, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
