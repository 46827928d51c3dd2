"""Monitoring for real: Prometheus scrapes this machine and writes here; both are asked the same.

    python -m examples.demo.monitoring [--seconds 15]

Starts Debian's node exporter, Gnomon, a Prometheus that scrapes and remote-writes, and a second
Prometheus that has nothing of its own and reads from Gnomon. It exits with 1 if any answer differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.launch import Gnomon, free_port

EXPORTER = "prometheus-node-exporter"
PROMETHEUS = "prometheus"
PATIENCE_SECONDS = 60
API = "/api/v1/"

QUESTIONS = (
    "up",
    "sum by (mode) (rate(node_cpu_seconds_total[10s]))",
    "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes",
    "100 * (1 - avg by (instance) (irate(node_cpu_seconds_total{mode='idle'}[10s])))",
    "increase(node_cpu_seconds_total{mode!~'idle|iowait'}[10s])",
    "topk(1, {__name__=~'node_memory_MemTotal_bytes|node_memory_MemFree_bytes'})",
    "histogram_quantile(0.9, sum by (le) (prometheus_http_request_duration_seconds_bucket))",
    "count({__name__=~'node_.+'})",
    "node_load1 > bool 0.5",
    "max_over_time(node_load1[10s]) / on (instance) group_left (nodename) node_uname_info",
    "label_replace(scrape_samples_scraped, 'port', '$1', 'instance', '.*:(.+)')",
    "quantile by (job) (0.5, scrape_duration_seconds)",
    "absent(node_no_such_metric)",
)


class MonitoringError(Exception):
    """Something that is needed is missing or did not come in time."""


def main() -> int:
    """Runs it. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo.monitoring")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long to scrape")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="gnomon-monitoring-") as home:
            return _run(Path(home), options.seconds)
    except MonitoringError as error:
        print(f"\nIt ends here: {error}")
        return 1


def _run(home: Path, seconds: float) -> int:
    server = Gnomon(home / "data", home / "gnomon.log")
    server.start()
    ours = f"http://127.0.0.1:{server.http}/v1/prometheus"
    exporter, scraping, reading = free_port(), free_port(), free_port()
    try:
        with contextlib.ExitStack() as stack:
            command = [EXPORTER, f"--web.listen-address=127.0.0.1:{exporter}"]
            stack.enter_context(_process(command, home / "exporter.log"))
            scrape = _scraping(exporter, scraping) + f"remote_write: [{{url: '{ours}/write'}}]\n"
            theirs = stack.enter_context(_prometheus(home / "scraping", scraping, scrape))
            read = f"remote_read: [{{url: '{ours}/read', read_recent: true}}]\n"
            second = stack.enter_context(_prometheus(home / "reading", reading, read))
            print(f"Prometheus scrapes this machine for {seconds:g} s and writes to Gnomon.")
            time.sleep(seconds)  # Prometheus scrapes meanwhile: the demo shows that much real time
            return _compare(theirs, ours, second)
    finally:
        server.stop()


def _scraping(exporter: int, own: int) -> str:
    targets = {"node": exporter, "prometheus": own}
    jobs = [
        f"- job_name: {job}\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]"
        for job, port in targets.items()
    ]
    return "global: {scrape_interval: 1s}\nscrape_configs:\n" + "\n".join(jobs) + "\n"


@contextlib.contextmanager
def _prometheus(home: Path, port: int, configuration: str) -> Iterator[str]:
    """A Prometheus; gives its address."""
    home.mkdir()
    (home / "prometheus.yml").write_text(configuration)
    command = [
        *(PROMETHEUS, f"--config.file={home / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={home / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
    ]
    url = f"http://127.0.0.1:{port}"
    with _process(command, home / "log"):
        _until(lambda: _is_ready(url), f"Prometheus did not start: {home / 'log'}")
        yield url


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[None]:
    """A process that ends with the block."""
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        except FileNotFoundError:
            message = f"{command[0]} is not installed (the Debian package has the same name)"
            raise MonitoringError(message) from None
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _until(holds: Any, message: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise MonitoringError(message)
        time.sleep(0.1)  # what Prometheus has done is only seen by asking it again


def _compare(theirs: str, ours: str, second: str) -> int:
    """Asks all three the same; returns the exit code."""
    now = int(time.time())  # of this machine's scrapes
    _until(lambda: _has_come(theirs, ours, now), "what Prometheus wrote did not come")
    print(f"{'the same?':10} {'series':>6}  question")
    equal = 0
    for question in QUESTIONS:
        instant = {"query": question, "time": str(now)}
        ranged = {"query": question, "start": str(now - 8), "end": str(now), "step": "1"}
        expected = _ask(theirs, instant), _ask(theirs, ranged)
        answers = [(_ask(url, instant), _ask(url, ranged)) for url in (ours, second)]
        same = [_are_same(answer, expected) for answer in answers]
        equal += all(same)
        words = "yes" if all(same) else "NO" if not same[0] else "not read"
        print(f"{words:10} {len(expected[0]):6}  {question}")
        if not all(same):
            print("  Prometheus:", json.dumps(expected)[:400])
            print("  Gnomon:    ", json.dumps(answers[same.index(False)])[:400])
    total = len(QUESTIONS)
    print(
        f"{equal} of {total} answers of Prometheus, of Gnomon, and of a Prometheus that reads from"
    )
    print("Gnomon are the same, at one time and over a range.")
    return 0 if equal == total else 1


def _are_same(left: Any, right: Any) -> bool:
    """Compares answers; numbers may differ by how they were summed."""
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_are_same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_are_same(left[key], right[key]) for key in left)
    if left == right:
        return True
    try:
        return math.isclose(float(left), float(right), rel_tol=1e-9)
    except ValueError:
        return False


def _has_come(theirs: str, ours: str, now: int) -> bool:
    """True when every sample up to a time is here, too."""
    query = {"query": "{job=~'node|prometheus'}[1m]", "time": str(now)}
    found = _ask(theirs, query)
    return bool(found) and isinstance(found[0], dict) and _ask(ours, query) == found


def _ask(url: str, parameters: dict[str, str]) -> Any:
    """The result of a query, in an order of its own."""
    kind = "query" if "time" in parameters else "query_range"
    text = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url}{API}{kind}?{text}", timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        return [f"{error.code}: {error.read().decode()}"]
    return sorted(found, key=lambda one: json.dumps(one["metric"], sort_keys=True))


if __name__ == "__main__":
    sys.exit(main())
