"""How long a killed server takes to start: the log of so many bytes is read back.

python -m bench.recovery [--bytes 1073741824] [--directory DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import psutil

from bench.engine_ingest import SCHEMA, batch
from engine.api import Op, Write
from engine.clock import SystemClock
from engine.options import MIB, EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

# Nothing is flushed while the log is filled, so that all of it is read back.
FILLING = EngineOptions(
    wal_bytes_max=1 << 40, memtable_region_bytes=1 << 40, memtable_total_bytes=1 << 40
)


def fill(directory: Path, size: int) -> None:
    """Writes until the log has so many bytes, then ends like a killed process."""
    regions = LocalRegions(directory, FILLING, SystemClock())
    regions.create(1, SCHEMA, RegionOptions())
    start, rows = 0, 5000
    while log_bytes(directory) < size:
        for _ in range(20):
            regions.write([Write(1, Op.PUT, batch(start, rows))])
            start += rows
    os._exit(0)


def log_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in (directory / "wal").glob("*.wal"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        pid = os.fork()
        if pid == 0:
            fill(directory, options.bytes)
        os.waitpid(pid, 0)
        size = log_bytes(directory)
        began = time.perf_counter()
        regions = LocalRegions(directory, EngineOptions(), SystemClock())
        seconds = time.perf_counter() - began
        statistics = regions.statistics(1)
        figures = {
            "log_mib": size // MIB,
            "seconds": round(seconds, 1),
            "rows": statistics.rows + statistics.memtable_rows,
            "peak_rss_mib": psutil.Process().memory_info().rss // MIB,
        }
        print(json.dumps(figures), flush=True)
        regions.close()


if __name__ == "__main__":
    main()
