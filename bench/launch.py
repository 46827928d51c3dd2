"""Starts, stops and kills our own server as a process of its own.

Called by bench/peers.py, examples/demo and tests/crash. It never looks inside the server: what it
knows is the command line and the ports.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
READY_SECONDS = 120  # the first start on a fresh machine compiles the kernels
STOP_SECONDS = 60


class ServerStartError(Exception):
    """The server ended or stayed silent instead of listening; the message has its last words."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Gnomon:
    """One server on one data directory; it may be started, stopped and killed many times.

    The ports stay the same over restarts.
    """

    def __init__(self, directory: Path, log: Path, extra: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.log = log
        self.postgres, self.mysql, self.http = free_port(), free_port(), free_port()
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Requires: started."""
        assert self._process is not None
        return self._process.pid

    @property
    def rss(self) -> int:
        """Resident memory in bytes. Requires: started."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def start(self) -> float:
        """Starts and waits for the line that says it listens. Returns: seconds taken.

        Raises: ServerStartError.
        """
        began = time.monotonic()
        self.launch()
        assert self._process is not None
        assert self._process.stdout is not None
        too_long = threading.Timer(READY_SECONDS, self._process.kill)
        too_long.start()
        line = self._process.stdout.readline()  # all it ever says there; empty once it has ended
        too_long.cancel()
        if not line.startswith(b"gnomon ready"):
            self.kill()
            words = self.log.read_text(errors="replace")[-2000:]
            raise ServerStartError(f"the server did not start:\n{words}")
        return time.monotonic() - began

    def launch(self) -> None:
        """Starts and waits for nothing."""
        assert self._process is None
        command = [sys.executable, "-m", "server.main", "serve", "--data", str(self.directory)]
        for flag, port in self._listeners().items():
            command += [f"--{flag}", f"127.0.0.1:{port}"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *self._extra],
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=ROOT,
                start_new_session=True,
            )

    def _listeners(self) -> dict[str, int]:
        return {"http": self.http, "mysql": self.mysql, "postgres": self.postgres}

    def stop(self) -> int:
        """Asks the server to end and waits. Returns: its exit code."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            _close(process)

    def kill(self) -> None:
        """kill -9, as a power cut would: nothing in the process gets a say."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    process.stdout.close()
