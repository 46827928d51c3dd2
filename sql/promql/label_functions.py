"""Functions about labels and order: label_replace, label_join, sorting, absence.

Registered in `functions.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from engine.errors import DbError, ErrorKind
from sql.promql import regex
from sql.promql.context import Evaluation, Handler
from sql.promql.elementwise import constant
from sql.promql.frame import Frame, Marks
from sql.promql.labels import NAME, LabelColumn, LabelTable
from sql.promql.model import Match, Times
from sql.promql.tree import Call, MatrixSelector, Node, VectorSelector, unwrap

_CHUNKS = re.compile(r"\d+|\D+")


def valid_label_name(name: str) -> bool:
    """Any text of Unicode characters names a label, except the empty one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name != ""


def _replace(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times)
    target, template, source, pattern = (ev.text(part) for part in call.arguments[1:])
    if not valid_label_name(target):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"invalid destination label name in label_replace(): {target}",
        )
    read = frame.labels.column(source)
    try:
        texts, fits = regex.replaced(read.values, pattern, template)
    except DbError as error:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"invalid regular expression in label_replace(): {pattern}",
            detail=error.message,
        ) from None
    written = frame.labels.column(target)
    rows = fits[read.codes]
    codes = np.where(rows, read.codes + len(written.values), written.codes)
    column = LabelColumn.of_dictionary([*written.values, *texts], codes)
    return _relabelled(frame, target, column, rows)


def _relabelled(frame: Frame, target: str, column: LabelColumn, rows: Marks) -> Frame:
    nameless = frame.nameless & ~rows if target == NAME else frame.nameless
    found = replace(frame, labels=frame.labels.put(target, column), nameless=nameless)
    return found.merge()


def _join(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times)
    target, separator, *sources = (ev.text(part) for part in call.arguments[1:])
    for name in sources:
        if not valid_label_name(name):
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"invalid source label name in label_join(): {name}"
            )
    if not valid_label_name(target):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"invalid destination label name in label_join(): {target}",
        )
    groups, first = frame.labels.keep(sources).groups()
    parts = [frame.labels.column(name).take(first).strings() for name in sources]
    texts = [separator.join(row) for row in zip(*parts, strict=True)] or [""] * len(first)
    column = LabelColumn.of_dictionary(texts, groups)
    return _relabelled(frame, target, column, np.ones(frame.labels.count, np.bool_))


def _sort(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times)
    if frame.is_histogram.any():
        ev.notes.info(f"ignored histogram in {call.name} function", call.arguments[0])
        frame = frame.floats().compact()
    if frame.columns != 1:
        return frame
    values = frame.values[:, 0]
    nan = np.isnan(values)
    keys = np.where(nan, 0.0, -values if call.name == "sort_desc" else values)
    return frame.take(np.lexsort((keys, nan)))


def natural(text: str) -> tuple[Any, ...]:
    """A key that orders numbers inside texts by their value."""
    return tuple(
        (0, int(chunk), chunk) if chunk.isdecimal() else (1, 0, chunk)
        for chunk in _CHUNKS.findall(text)
    )


def _sort_by_label(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times)
    if frame.columns != 1:
        return frame
    names = [ev.text(part) for part in call.arguments[1:]]
    columns = [frame.labels.column(name).strings() for name in names]
    rows = frame.labels.rows()

    def key(row: int) -> tuple[Any, ...]:
        return (*(natural(column[row]) for column in columns), tuple(rows[row].items()))

    order = sorted(range(frame.labels.count), key=key, reverse=call.name.endswith("_desc"))
    return frame.take(np.array(order, np.int64))


def _labels_of_absent(node: Node) -> dict[str, str]:
    """The labels a selector asks for by `=`, of each name only if it is asked for once."""
    inner = unwrap(node)
    selector = inner.selector if isinstance(inner, MatrixSelector) else inner
    if not isinstance(selector, VectorSelector):
        return {}
    found: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selector.matchers:
        if matcher.name == NAME:
            continue
        if matcher.op is Match.EQUAL and matcher.name not in seen:
            found[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            found.pop(matcher.name, None)
    return found


def _absent(ev: Evaluation, call: Call, times: Times) -> Frame:
    argument = call.arguments[0]
    if call.name == "absent":
        there = ev.frame(argument, times).present.any(axis=0)
    else:
        window = ev.window(argument, times)
        there = np.zeros(len(times), np.bool_)
        ordered = np.sort(window.samples.times)
        low = np.searchsorted(ordered, window.steps - window.span, "right")
        there = np.searchsorted(ordered, window.steps, "right") > low
    frame = constant(np.ones(len(times))).where(~there.reshape(1, -1))
    labels = LabelTable.of_rows([_labels_of_absent(argument)])
    return replace(frame, labels=labels).compact()


HANDLERS: dict[str, Handler] = {
    "absent": _absent,
    "absent_over_time": _absent,
    "label_join": _join,
    "label_replace": _replace,
    "sort": _sort,
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": _sort_by_label,
    "sort_desc": _sort,
}
