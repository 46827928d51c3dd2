"""As many random queries as one likes: `python -m tests.differential.run --queries 20000`.

Starts both servers itself. Prints each kind of difference once, and how often it was seen.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from psycopg.pq.abc import PGconn

from bench import peers
from tests.differential.compare import ask, difference
from tests.differential.queries import query
from tests.differential.servers import loaded
from tests.fix_server import RunningServer


def main() -> int:
    """Asks the queries, prints a summary. Returns: 0 if all answers were the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential.run", description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=40, help="kinds of difference to print")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-differential-") as home:
        server = RunningServer(Path(home) / "data")
        try:
            with peers.postgresql() as peer, loaded(server.postgres_dsn(), peer.dsn) as both:
                return _run(both, options)
        finally:
            server.stop()


def _run(both: tuple[PGconn, PGconn], options: argparse.Namespace) -> int:
    kinds: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for number in range(options.queries):
        asked = query(random.Random(options.seed * 1_000_003 + number))
        ours, theirs = (ask(connection, asked.text) for connection in both)
        if theirs.sqlstate:
            refused[theirs.sqlstate] += 1
        found = difference(asked, ours, theirs)
        if found is None:
            continue
        kind = re.sub(r"\(.*|\d+ rows.*|\"[^\"]*\"|LINE .*", "", found, flags=re.DOTALL)
        kinds[kind] += 1
        if kinds[kind] <= 3 and sum(kinds.values()) <= options.show * 3:
            print(f"{asked.text}\n    {found[:500]}\n", flush=True)
    print(f"{options.queries} queries, the peer refused {dict(refused)}, differences:")
    for kind, count in kinds.most_common():
        print(f"  {count:6} {kind.strip()}")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
