"""information_schema.cluster_info: the one server there is, its machine and what it uses of it.

Called by the registry when a statement asks for the table. Never tells what cannot be known here:
where the system does not say (no /proc), memory is 0; the commit is known to the packager only.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pyarrow as pa

from catalog.units import format_human
from engine.clock import STARTED_MS
from sql.settings import PRODUCT_VERSION
from sql.system.arrow import fill
from sql.system.information_schema.shapes import SHAPES
from sql.system.table import SystemContext

_PROCESS_MEMORY = Path("/proc/self/statm")


def cluster_info(context: SystemContext) -> pa.Table:
    """One row: processors and memory of the machine, what of them this process uses."""
    uptime_ms = max(context.clock.now_ms() - STARTED_MS, 1)
    return fill(
        SHAPES["cluster_info"],
        1,
        {
            "peer_id": 0,
            "peer_type": "STANDALONE",
            "peer_addr": "",
            "peer_hostname": socket.gethostname(),
            "total_cpu_millicores": 1000 * len(os.sched_getaffinity(0)),
            "total_memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "cpu_usage_millicores": _processor_ms() * 1000 // uptime_ms,
            "memory_usage_bytes": _memory(),
            "version": PRODUCT_VERSION,
            "git_commit": "",
            "start_time": [STARTED_MS],
            "uptime": format_human(uptime_ms // 1000 * 1000),
        },
    )


def _processor_ms() -> int:
    """Processor time of this process since it started."""
    spent = os.times()
    return int((spent.user + spent.system) * 1000)


def _memory() -> int:
    """Resident bytes (the second number of /proc/self/statm, in pages; see proc(5))."""
    try:
        pages = int(_PROCESS_MEMORY.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
