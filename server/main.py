"""The `gnomon` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from server.commands import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit code: 0 well, 1 failed, 2 wrong usage."""
    return run(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
