"""Databases of metrics side by side: ours, VictoriaMetrics, Prometheus and InfluxDB.

python -m bench metrics

TSBS's CPU readings of 1000 hosts over 12 hours come by remote write and by line protocol, and many
series with three samples each; then the same questions are asked. All servers keep their
defaults; ours syncs before it answers. A clock runs only while all servers have nothing else to
do: what one of them flushes and merges would be paid by the next. A peer that is not installed is
left out.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import psutil

from bench import metrics_data, peers
from bench.peers import MissingPeerError, Server
from bench.report import Figure
from bench.tsbs import FIELDS

HOSTS = 1000
HOURS = 12
HOUR_MS = 3_600_000
POINTS = 3  # of each of the many series
SENDERS = 4
_REQUEST_SECONDS = 300
_CALM_SHARE = 0.05  # of a core, that all servers together use at the most when they rest
_CALM_SECONDS = 90


class Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """The answer's body. Raises: RuntimeError for a status that is no success."""
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


@dataclass(frozen=True)
class Peer:
    """A server and where it takes and answers what."""

    server: Server
    remote_write: str = ""
    line_protocol: str = ""
    promql: str = ""
    no_cache: str = ""  # asks a server not to answer from what it answered before
    figures: dict[str, float] = field(default_factory=dict)

    def ask(self, client: Client, path: str, **arguments: str | int) -> dict[str, object]:
        """The data of a PromQL answer."""
        text = urlencode(arguments) + self.no_cache
        found = json.loads(client.send("GET", f"{self.promql}/{path}?{text}"))
        assert found["status"] == "success", found
        data: dict[str, object] = found["data"]
        return data


def _ours() -> Iterator[Peer]:
    with peers.gnomon() as server:
        peers.until_warm(server)
        prometheus = "/v1/prometheus"
        yield Peer(
            server,
            f"{prometheus}/write",
            "/v1/influxdb/api/v2/write?precision=ns",
            f"{prometheus}/api/v1",
        )


def _victoria_metrics() -> Iterator[Peer]:
    with peers.victoria_metrics() as server:
        yield Peer(server, "/api/v1/write", "/write", "/api/v1", "&nocache=1")


def _prometheus() -> Iterator[Peer]:
    with peers.prometheus() as server:
        yield Peer(server, "/api/v1/write", "", "/api/v1")


def _influxdb() -> Iterator[Peer]:
    with peers.influxdb() as server, closing(Client(server.http)) as client:
        client.send("POST", "/query?q=CREATE+DATABASE+bench")
        yield Peer(server, "", "/write?db=bench")


_ALL: tuple[Callable[[], Iterator[Peer]], ...] = (_ours, _victoria_metrics, _prometheus, _influxdb)


def _opened(make: Callable[[], Iterator[Peer]]) -> AbstractContextManager[Peer]:
    return contextlib.contextmanager(make)()


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """`rows` CPU readings of ten samples each. Returns: figures and versions."""
    with ExitStack() as stack:
        found = []
        missing = []
        for make in _ALL:
            try:
                found.append(stack.enter_context(_opened(make)))
            except MissingPeerError as error:
                missing.append(str(error))
        bench = _Bench(found, rows, times)
        bench.ingest()
        bench.questions()
        bench.many()
        bench.bytes_on_disk()
        versions = [f"{p.server.name} {p.server.version}" for p in found[1:]]
        return bench.figures(), versions + missing


class _Bench:
    """One run over all servers; the first is ours."""

    def __init__(self, found: Sequence[Peer], rows: int, times: int) -> None:
        self._peers = found
        self._times = times
        steps = max(HOURS, rows // HOSTS)
        self._step_ms = HOURS * HOUR_MS // steps
        # Prometheus takes nothing that is much older than its newest block.
        self._end = int(time.time()) * 1000 // HOUR_MS * HOUR_MS
        self._moments = range(self._end - HOURS * HOUR_MS, self._end, self._step_ms)
        # Each sender has its own series at every moment: Prometheus wants samples in order.
        self._many = max(20_000, rows * 7 // 10 // 20_000 * 20_000)
        self._units: dict[str, str] = {}
        self._lower: set[str] = set()

    def _note(self, peer: Peer, name: str, unit: str, value: float) -> None:
        self._units[name] = unit
        if unit in ("ms", "bytes"):
            self._lower.add(name)
        peer.figures[name] = value
        print(f"  {peer.server.name}: {name}: {value:,.3f} {unit}", flush=True)

    def figures(self) -> list[Figure]:
        """A line for each measurement and peer."""
        ours, *others = self._peers
        found = []
        for name, unit in self._units.items():
            if name not in ours.figures:
                continue
            lower = name in self._lower
            sides = [p for p in others if name in p.figures]
            for peer in sides:
                value, theirs = ours.figures[name], peer.figures[name]
                found.append(Figure(name, unit, value, theirs, peer.server.name, lower))
            if not sides:
                found.append(Figure(name, unit, ours.figures[name], lower_is_better=lower))
        return found

    # Writing.

    def ingest(self) -> None:
        """CPU readings by both protocols."""
        samples = len(self._moments) * HOSTS * len(FIELDS)
        known = list(metrics_data.remote_writes(HOSTS, self._moments))
        first = HOSTS // metrics_data.ROWS_EACH  # requests with the first sample of each series
        for peer in self._peers:
            if peer.remote_write:
                self._send_all(peer, peer.remote_write, known[:first])
                self._calm()
                took = self._send_all(peer, peer.remote_write, known[first:])
                share = (len(known) - first) / len(known)
                self._note(peer, "remote write, known series", "samples/s", samples * share / took)
        del known
        lines = list(metrics_data.lines(HOSTS, self._moments, "cpu_lines"))
        for peer in self._peers:
            if peer.line_protocol:
                self._calm()
                took = self._send_all(peer, peer.line_protocol, lines)
                self._note(peer, "line protocol", "rows/s", len(self._moments) * HOSTS / took)

    def _send_all(self, peer: Peer, path: str, bodies: Sequence[bytes]) -> float:
        """Seconds until all are acknowledged, sent over some connections, each in order."""
        clients = [Client(peer.server.http) for _ in range(SENDERS)]
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        used = headers if path == peer.remote_write else {}

        def send(number: int) -> None:
            for body in bodies[number::SENDERS]:
                clients[number].send("POST", path, body, **used)

        began = time.monotonic()
        with ThreadPoolExecutor(SENDERS) as pool:
            for task in [pool.submit(send, number) for number in range(SENDERS)]:
                task.result()
        took = time.monotonic() - began
        for client in clients:
            client.close()
        return took

    # Asking.

    def questions(self) -> None:
        """What dashboards ask about the CPU readings, of one server after the other."""
        asked = [peer for peer in self._peers if peer.promql]
        for peer in asked:
            self._settle(peer)
        self._calm()
        with ExitStack() as stack:
            pairs = [(p, stack.enter_context(closing(Client(p.server.http)))) for p in asked]
            for peer, client in pairs:
                self._one_series(peer, client)
            for count in (1, 5, len(FIELDS)):
                for peer, client in pairs:
                    self._double_groupby(peer, client, count)

    def _one_series(self, peer: Peer, client: Client) -> None:
        chance = random.Random(5)
        texts = []
        for _ in range(40):
            host = chance.randrange(HOSTS)
            start = self._moments[0] + chance.randrange(HOURS - 2) * HOUR_MS
            query = f'max_over_time(cpu_usage_user{{hostname="host_{host}"}}[1m])'
            texts.append((query, start // 1000))
        took = []
        for _ in range(self._times + 1):
            for query, start in texts:
                began = time.perf_counter()
                found = peer.ask(
                    client, "query_range", query=query, start=start, end=start + 3600, step=60
                )
                took.append(time.perf_counter() - began)
                assert len(found["result"]) == 1, (peer.server.name, query)  # type: ignore[arg-type]
        name = "one series, one hour by minutes"
        self._note(peer, name, "ms", 1000 * statistics.median(took[len(texts) :]))

    def _double_groupby(self, peer: Peer, client: Client, count: int) -> None:
        end = self._end // 1000
        took = []
        for _ in range(2 * self._times + 1):
            began = time.perf_counter()
            for name in FIELDS[:count]:
                query = f"avg by (hostname) (avg_over_time(cpu_{name}[1h]))"
                start = end - (HOURS - 1) * 3600
                found = peer.ask(
                    client, "query_range", query=query, start=start, end=end, step=3600
                )
                assert len(found["result"]) == HOSTS, peer.server.name  # type: ignore[arg-type]
            took.append(time.perf_counter() - began)
        label = "all" if count == len(FIELDS) else str(count)
        name = f"double-groupby-{label}, {HOSTS} hosts, {HOURS} hours"
        self._note(peer, name, "ms", 1000 * statistics.median(took[1:]))

    def many(self) -> None:
        """Many series that nobody has seen before, and aggregates over them."""
        moments = [self._end - (POINTS - i) * 10_000 for i in range(POINTS)]
        bodies = list(metrics_data.many_series(self._many, moments))
        new, more = bodies[: len(bodies) // POINTS], bodies[len(bodies) // POINTS :]
        queries = {
            "count": "count(many)",
            "avg by": "avg by (region) (many)",
            "topk": "topk(5, many)",
        }
        for peer in self._peers:
            if not peer.remote_write:
                continue
            self._calm()
            took = self._send_all(peer, peer.remote_write, new)
            self._note(peer, "remote write, new series", "samples/s", self._many / took)
            took = self._send_all(peer, peer.remote_write, more)
            name = f"remote write, {self._many} known series"
            self._note(peer, name, "samples/s", self._many * (POINTS - 1) / took)
            self._settle(peer)
            self._calm()
            with closing(Client(peer.server.http)) as client:
                for label, query in queries.items():
                    self._instant(peer, client, f"{label} over {self._many} series", query)

    def _instant(self, peer: Peer, client: Client, name: str, query: str) -> None:
        took = []
        for _ in range(self._times + 1):
            began = time.perf_counter()
            found = peer.ask(client, "query", query=query, time=self._end // 1000)
            took.append(time.perf_counter() - began)
            assert found["result"], (peer.server.name, query)
        self._note(peer, name, "ms", 1000 * statistics.median(took[1:]))

    # Settling.

    def _settle(self, peer: Peer) -> None:
        """Lets a server finish what it does in the background, where it can be asked to."""
        with closing(Client(peer.server.http)) as client:
            if peer.server.name == "victoria-metrics":
                client.send("GET", "/internal/force_flush")
            elif peer.server.name == "gnomon":
                _admin(peer.server, "flush_table")

    def _calm(self) -> None:
        """Waits until the servers do nothing that takes time, though not for ever."""
        processes = [psutil.Process(peer.server.pid) for peer in self._peers]
        began = time.monotonic()
        while time.monotonic() - began < _CALM_SECONDS:
            before, since = _cpu_seconds(processes), time.monotonic()
            time.sleep(1)  # other makers' servers tell nobody: the CPU time they used shows it
            used = _cpu_seconds(processes) - before
            if used < _CALM_SHARE * (time.monotonic() - since):
                return

    def bytes_on_disk(self) -> None:
        """Of all samples, lines' among them, after merging."""
        rows = len(self._moments) * HOSTS
        samples = 2 * rows * len(FIELDS) + self._many * POINTS
        for peer in self._peers:
            name, home = peer.server.name, peer.server.directory
            assert home is not None
            if name == "victoria-metrics":
                with closing(Client(peer.server.http)) as client:
                    client.send("GET", "/internal/force_flush")
                    client.send("GET", "/internal/force_merge")
                    _wait_quiet(partial(_bytes_below, home / "data"))
                folder = "data"
            elif name == "gnomon":
                _admin(peer.server, "flush_table")
                _admin(peer.server, "compact_table")
                folder = "data/engine/regions"
            else:
                continue  # their newest data stay in logs and memory
            size = _bytes_below(home / folder)
            assert size, folder
            self._note(peer, "a sample on disk, settled", "bytes", size / samples)


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _admin(server: Server, function: str) -> None:
    """Calls an administrative function for every table."""
    with server.psycopg() as connection:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        for (table,) in connection.execute(query).fetchall():
            if table != "numbers":
                connection.execute(f"ADMIN {function}('{table}')".encode())


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # merged away meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def _wait_quiet(measure: Callable[[], int], seconds: float = 30.0) -> None:
    """Until a size stays the same for a while: the server tells nobody when it has merged."""
    last, since, began = -1, time.monotonic(), time.monotonic()
    while time.monotonic() - began < seconds:
        now = measure()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 3:
            return
        time.sleep(0.5)  # other makers' servers merge by themselves: only their files show it
