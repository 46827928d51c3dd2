"""information_schema.flows and flow_statistics."""

from __future__ import annotations

import json

import pyarrow as pa

from sql.system.arrow import fill
from sql.system.facts import CATALOG, catalog_name
from sql.system.information_schema.shapes import SHAPES
from sql.system.table import FlowFacts, SystemContext


def flows(context: SystemContext) -> pa.Table:
    """All flows. What the last evaluation failed of is told in `options`, as `last_error`."""
    found = context.flows
    ids = {(table.database, table.name): table.id for table in context.tables}
    return fill(
        SHAPES["flows"],
        len(found),
        {
            "flow_name": [one.flow.name for one in found],
            "flow_id": [one.flow.id for one in found],
            "table_catalog": catalog_name(context.session),
            "flow_definition": [one.flow.query for one in found],
            "comment": [one.flow.comment or None for one in found],
            "expire_after": [
                one.flow.expire_ms // 1000 if one.flow.expire_ms is not None else None
                for one in found
            ],
            "source_table_ids": [
                json.dumps([ids[source] for source in one.flow.sources if source in ids])
                for one in found
            ],
            "sink_table_name": [".".join((CATALOG, *one.flow.sink)) for one in found],
            "options": [_options(one) for one in found],
            "created_time": [one.flow.created_ms for one in found],
            "updated_time": [one.flow.updated_ms for one in found],
            "last_execution_time": [one.last_ms for one in found],
            "source_table_names": [
                ",".join(".".join((CATALOG, *source)) for source in one.flow.sources)
                for one in found
            ],
        },
    )


def _options(one: FlowFacts) -> str:
    told = dict(sorted(one.flow.options.items()))
    if one.error:
        told["last_error"] = one.error
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def flow_statistics(context: SystemContext) -> pa.Table:
    """What became of all flows since the server started."""
    found, now = context.flows, context.clock.now_ms()
    return fill(
        SHAPES["flow_statistics"],
        len(found),
        {
            "flow_id": [one.flow.id for one in found],
            "flow_name": [one.flow.name for one in found],
            "start_time": [one.start_ms for one in found],
            "last_execution_time": [one.last_ms for one in found],
            "uptime_seconds": [max(now - one.start_ms, 0) // 1000 for one in found],
            "state_size": 0,
        },
    )
