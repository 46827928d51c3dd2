"""Compiles the kernels of PromQL ahead of its first query; see server/warm.py."""

from __future__ import annotations

import numpy as np

from sql.promql import evaluate, source_kernels

# Importing them has declared their kernels.
KERNELS = (evaluate, source_kernels)


def warm() -> None:
    """Runs the first kernels once. Requires: `jit.warm` was called."""
    one = np.zeros(1, np.int64)
    source_kernels.series_order(
        one.astype(np.int32), one, one.copy(), one.copy(), np.zeros(2, np.int64)
    )
