"""Figures side by side: printed, and appended to RESULTS.md with machine, versions and date."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("duckdb", "pyarrow", "numba", "psycopg", "asyncpg", "pymysql")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: the medians of ours and, where there is one, of the peer's runs."""

    name: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    lower_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer we are; below 1 is worse."""
        if self.peer is None or not self.ours or not self.peer:
            return None
        return self.peer / self.ours if self.lower_is_better else self.ours / self.peer


def interleaved(
    runs: dict[str, Callable[[], float]], times: int, warm_up: bool = True
) -> dict[str, float]:
    """Runs each in turn, several times over, so that a noisy minute hits all. Returns: medians."""
    if warm_up:
        for run in runs.values():
            run()
    values: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(times):
        for name, run in runs.items():
            values[name].append(run())
    return {name: statistics.median(found) for name, found in values.items()}


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| what | unit | ours | peer | ratio (above 1: ours is better) |",
        "|---|---|---|---|---|",
    ]
    for one in figures:
        peer = "" if one.peer is None else f"{_number(one.peer)} ({one.peer_name})"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        name = one.name + (f" ({one.note})" if one.note else "")
        lines.append(f"| {name} | {one.unit} | {_number(one.ours)} | {peer} | {ratio} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.3g}"


def heading(title: str, versions: Sequence[str] = ()) -> str:
    """When, where and with what."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    where = f"{os.cpu_count()} cores ({_processor()}), {_memory_gib():.0f} GiB, {platform.system()}"
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    parts = [f"Python {platform.python_version()}", packages, *versions]
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    return f"## {title}, {day}\n\n{where}; {load}; commit {_commit()}; {'; '.join(parts)}\n"


def publish(title: str, figures: Sequence[Figure], versions: Sequence[str], write: bool) -> None:
    """Prints the figures; appends them to RESULTS.md when asked."""
    text = f"{heading(title, versions)}\n{table(figures)}\n"
    print("\n" + text, flush=True)
    if write:
        start = "" if RESULTS.exists() else "# Measured, newest last\n"
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"{start}\n{text}")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
