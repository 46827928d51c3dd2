"""Retires series that no sample is left of: they leave the index, their definitions are removed.

Run by the sweeper. Samples go by time to live and DELETE, and pods come and go: without this every
series that ever was would stay in memory. Ids are never used again: the newest series of a metric
stays, since its id tells the next start which ones were given out.
"""

from __future__ import annotations

import logging

import numpy as np

from engine.api import Regions, SampleRequest
from engine.series.index import SERIES_BITS
from engine.series.renewal import Renewal
from sql.metrics.leases import Leases
from sql.metrics.store import SeriesStore
from sql.metrics.tags import Ids

_LOG = logging.getLogger(__name__)

# A copy of the index is worth its while from so many dead series on, and from such a part of all.
DEAD_MIN = 1_000
DEAD_PART = 1 / 8


def retire(store: SeriesStore, leases: Leases, regions: Regions, least: int = DEAD_MIN) -> int:
    """Retires the dead series of a store; how many. 0 if there are too few, or writers are busy.

    Raises: DbError; nothing is lost then, and the next time ends what was begun.
    """
    if store.index.count < least:
        return 0
    with leases.nobody() as is_quiet:
        if not is_quiet:
            return 0
        store.watch()
    try:
        store.define()
        alive = _series(store)
        dead = alive[~_has_samples(store, regions, alive) & ~_newest(alive)]
        if len(dead) < max(least, DEAD_PART * len(alive)):
            return 0
        renewal = Renewal(store.index, dead)
        renewal.copy()
        with leases.nobody() as is_quiet:
            count = store.retire(dead, renewal) if is_quiet else 0
    finally:
        store.unwatch()
    store.define()
    if count:
        _LOG.info("%d of %d series of store %d are retired", count, len(alive), store.id)
    return count


def _series(store: SeriesStore) -> Ids:
    """All that are alive, ascending."""
    parts = [store.index.select(number).ids for number in sorted(store.index.metrics())]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _has_samples(store: SeriesStore, regions: Regions, series: Ids) -> np.ndarray:
    rows = regions.samples(store.samples_region_id, SampleRequest(series, survey=True))
    present: np.ndarray = np.diff(rows.offsets) > 0
    return present


def _newest(series: Ids) -> np.ndarray:
    """Which are the last of their metrics."""
    metrics = series >> SERIES_BITS
    return np.append(metrics[1:] != metrics[:-1], True)[: len(series)]
