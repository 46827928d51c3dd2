"""Rows of a plan that are in memory as they are: answered on the event loop, without DuckDB.

Called by sql/instant.py for plans that were run before. Nothing is read, made or waited for; None
stands for whatever would need that, and for what only DuckDB decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from engine.api import SeriesRequest
from engine.errors import DbError
from sql.partition.prune import wanted_regions
from sql.plan.direct import Direct
from sql.plan.plan import QueryPlan, Shape
from sql.plan.tables import Reference
from sql.run.direct import Asked, Question
from sql.run.scan import Runner

ROWS_MAX = 1024  # more rows are worth the hop to a thread


def is_candidate(plan: QueryPlan) -> bool:
    """True if rows of the plan may be at hand some time."""
    return plan.keyed is not None or plan.direct is not None


def at_hand(plan: QueryPlan, parameters: Sequence[object], runner: Runner) -> pa.RecordBatch | None:
    """The rows as DuckDB would give them, None if they are not at hand.

    Requires: the session sees what is committed and nothing else.
    """
    shape = plan.learned.shape
    if shape is None:
        return None  # not asked before: DuckDB tells what its columns are
    if plan.keyed is not None:
        return runner.copies.row_at_hand(plan.keyed, parameters, shape.arrow)
    if plan.direct is None:
        return None
    (reference,) = plan.scans
    question = plan.learned.question
    if question is None:
        question = plan.learned.question = Question(plan.direct, reference.table)
    asked = question.asked(parameters)
    if asked is None or reference.table.store_id:
        return None  # a metric's rows lie elsewhere
    parts = _series(reference, plan.direct, asked, parameters, runner)
    return None if parts is None else _shown(parts, question, asked, shape)


def _series(
    reference: Reference,
    direct: Direct,
    asked: Asked,
    parameters: Sequence[object],
    runner: Runner,
) -> Sequence[pa.RecordBatch] | None:
    """The rows of the one series that is asked for, in order of time."""
    tags = dict(asked.equal)
    key = reference.table.primary_key
    if len(direct.equal) != len(key) or tags.keys() != set(key):
        return None
    present = runner.table_of(reference.table.id) or reference.table
    regions = present.row_regions
    if len(regions) > 1:
        regions = wanted_regions(present, reference, parameters, asked.times)
    if len(regions) != 1:
        return None
    request = SeriesRequest(
        tuple(tags[name] for name in key),
        reference.columns,
        asked.times,
        reference.schema.version,
        direct.columns,
    )
    try:
        return runner.regions.glance(regions[0], request)
    except DbError:
        return None  # the usual road tells what is wrong


def _shown(
    parts: Sequence[pa.RecordBatch], question: Question, asked: Asked, shape: Shape
) -> pa.RecordBatch | None:
    """As many rows as are wanted, in the order that is wanted, as the client sees them."""
    count = sum(part.num_rows for part in parts)
    limit = min(asked.limit, count)
    if limit > ROWS_MAX:
        return None
    parts = _last(parts, limit) if question.direct.descending else _first(parts, limit)
    count = sum(part.num_rows for part in parts)
    if len(parts) > 1:
        rows = pa.concat_batches(parts)
    elif parts:
        rows = parts[0]
    else:
        return pa.RecordBatch.from_pylist([], schema=shape.arrow)
    if question.fitting is None or not rows.schema.equals(question.fitting):
        if rows.schema.types != shape.arrow.types:
            return None
        question.fitting = rows.schema
    if question.direct.descending:
        return rows.take(pa.array(np.arange(count - 1, count - 1 - limit, -1)))
    return rows.slice(0, limit) if limit < count else rows


def _first(parts: Sequence[pa.RecordBatch], wanted: int) -> Sequence[pa.RecordBatch]:
    """The parts that have the first rows."""
    rows = 0
    for place, part in enumerate(parts):
        rows += part.num_rows
        if rows >= wanted:
            return parts[: place + 1]
    return parts


def _last(parts: Sequence[pa.RecordBatch], wanted: int) -> Sequence[pa.RecordBatch]:
    """The parts that have the last rows."""
    return _first(parts[::-1], wanted)[::-1]
