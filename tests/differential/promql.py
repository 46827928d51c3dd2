"""Random PromQL over random series, asked of Debian's Prometheus and of us.

`python -m tests.differential.promql --queries 5000 --seed 1`. Starts both servers itself, writes
the same samples to both and prints the answers that differ. Returns 0 if none does.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode

from bench import peers
from tests.differential.promql_data import LENGTH_MS, series, write
from tests.differential.promql_queries import Writer

START_S = 1_700_000_040  # a whole minute
_RELATIVE = 1e-9
_ABSOLUTE = 1e-9
Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asked:
    """A query and its times in seconds; with step 0 an instant query at `end`."""

    text: str
    start: int
    end: int
    step: int


@dataclass(frozen=True)
class Answer:
    """Samples by series and time, or an error."""

    kind: str = ""
    samples: dict[Key, dict[float, str]] | None = None
    error: str = ""


class Side:
    """One of the servers."""

    def __init__(self, port: int, prefix: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._prefix = prefix

    def ask(self, asked: Asked) -> Answer:
        """What it answers."""
        arguments: dict[str, object] = {"query": asked.text}
        if asked.step:
            arguments |= {"start": asked.start, "end": asked.end, "step": asked.step}
        else:
            arguments["time"] = asked.end
        name = "query_range" if asked.step else "query"
        self._connection.request("GET", f"{self._prefix}/{name}?{urlencode(arguments)}")
        body = json.loads(self._connection.getresponse().read())
        assert "status" in body, (asked, body)
        if body["status"] != "success":
            return Answer(error=body["error"])
        data = body["data"]
        return Answer(data["resultType"], _samples(data["resultType"], data["result"]))

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


def _samples(kind: str, result: list) -> dict[Key, dict[float, str]]:
    if kind in ("scalar", "string"):
        return {(): {float(result[0]): result[1]}}
    return {
        tuple(sorted(one["metric"].items())): {
            float(at): value for at, value in one.get("values", [one.get("value")])
        }
        for one in result
    }


def asked(chance: random.Random) -> Asked:
    """A random query, at some times of the series' hour."""
    step = chance.choice((0, 0, 15, 60, 300))
    first = START_S + chance.randrange(0, LENGTH_MS // 60_000) * 60
    end = min(first + chance.choice((0, 600, 1800)), START_S + LENGTH_MS // 1000)
    start = first if step else end
    return Asked(Writer(chance, start, max(end, start + 1)).query(), start, end, step)


def _is_known(text: str, ours: str, theirs: str) -> bool:
    """Prometheus 3 says NaN for the deviation of one value that is no number, 2 said 0."""
    return ("stddev" in text or "stdvar" in text) and ours == "NaN" and theirs == "0"


def difference(text: str, ours: Answer, theirs: Answer) -> str | None:
    """What differs, None if nothing does."""
    if theirs.error or ours.error:
        if bool(theirs.error) == bool(ours.error):
            return None
        return f"error: ours {ours.error!r}, theirs {theirs.error!r}"
    assert ours.samples is not None
    assert theirs.samples is not None
    if ours.kind != theirs.kind:
        return f"type: ours {ours.kind}, theirs {theirs.kind}"
    if ours.samples.keys() != theirs.samples.keys():
        more = sorted(ours.samples.keys() - theirs.samples.keys())[:3]
        less = sorted(theirs.samples.keys() - ours.samples.keys())[:3]
        return f"series: only ours {more}, only theirs {less}"
    for key, points in ours.samples.items():
        others = theirs.samples[key]
        if points.keys() != others.keys():
            return f"times of {key}: {sorted(points.keys() ^ others.keys())[:5]}"
        for at, value in points.items():
            if not _same(value, others[at]) and not _is_known(text, value, others[at]):
                return f"value of {key} at {at}: ours {value}, theirs {others[at]}"
    return None


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    a, b = float(one), float(other)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


@contextmanager
def both(seed: int) -> Iterator[tuple[Side, Side]]:
    """Both servers with the same samples, ours first. Raises: peers.MissingPeerError."""
    found = list(series(seed, START_S * 1000))
    with ExitStack() as stack:
        theirs = stack.enter_context(peers.prometheus())
        ours = stack.enter_context(peers.gnomon())
        write(theirs.http, "/api/v1/write", found)
        write(ours.http, "/v1/prometheus/write", found)
        sides = Side(ours.http, "/v1/prometheus/api/v1"), Side(theirs.http, "/api/v1")
        for side in sides:
            stack.callback(side.close)
        yield sides


def main() -> int:
    """Asks the queries and prints what differs. Returns: 0 if nothing does."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential.promql")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=30, help="differences to print")
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    errors = filled = 0
    with both(options.seed) as (ours, theirs):
        for number in range(options.queries):
            one = asked(random.Random(options.seed * 1_000_003 + number))
            answers = ours.ask(one), theirs.ask(one)
            errors += bool(answers[1].error)
            filled += bool(answers[1].samples)
            found = difference(one.text, *answers)
            if found is None:
                continue
            kinds[re.sub(r"\d+|[(\[].*", "", found)[:60]] += 1
            if sum(kinds.values()) <= options.show:
                print(f"{one}\n    {found[:600]}\n", flush=True)
    print(f"{options.queries} queries: {filled} with answers, {errors} refused; differences:")
    for kind, count in kinds.most_common():
        print(f"  {count:6} {kind}")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
