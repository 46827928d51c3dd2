"""Which series of two vectors belong together, and what their pairs yield.

Series are matched by labels once for all steps; whether both are there is decided per step.
Called by `binary.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.errors import DbError, ErrorKind
from sql.promql.cells import Cells, operate
from sql.promql.context import Evaluation
from sql.promql.frame import Frame, Marks, stacked
from sql.promql.kernels import aggregate as kernels
from sql.promql.labels import METADATA, LabelTable, Rows, stack
from sql.promql.tree import COMPARISONS, TRIMS, Binary, Matching


@dataclass(frozen=True)
class _Sides:
    """Both vectors with the match group of each of their rows; `one` is unique per group."""

    many: Frame
    one: Frame
    many_groups: Rows
    one_groups: Rows
    groups: int
    swapped: bool  # whether `many` is the right side of the operator
    together: Marks  # steps at which both sides have anything


def _signatures(labels: LabelTable, matching: Matching) -> LabelTable:
    if matching.on:
        return labels.keep(matching.labels)
    return labels.drop({*matching.labels, *METADATA})


def _grouped(left: Frame, right: Frame, matching: Matching) -> tuple[Rows, Rows, int]:
    both = stack([_signatures(left.labels, matching), _signatures(right.labels, matching)])
    groups, first = both.groups()
    return groups[: left.labels.count], groups[left.labels.count :], len(first)


def counts_by_group(groups: Rows, marks: Marks, count: int) -> Rows:
    """How many marked rows each group has at each step."""
    found = np.zeros((count, marks.shape[1]), np.int64)
    kernels.count_marks(groups, np.ascontiguousarray(marks), found)
    return found


def _all_apart(groups: Rows) -> bool:
    return len(groups) == 0 or int(np.bincount(groups).max()) <= 1


def set_operation(node: Binary, left: Frame, right: Frame) -> Frame:
    """`and`, `or`, `unless`."""
    left_groups, right_groups, count = _grouped(left, right, node.matching)
    if node.op == "or":
        taken = counts_by_group(left_groups, left.present, count) > 0
        rest = right.where(~taken[right_groups])
        return stacked([left, rest]).compact()
    there = counts_by_group(right_groups, right.present, count) > 0
    marks = there[left_groups]
    return left.where(marks if node.op == "and" else ~marks).compact()


def paired(ev: Evaluation, node: Binary, left: Frame, right: Frame) -> Frame:
    """Arithmetic and comparisons between vectors. Raises: DbError(INVALID_ARGUMENT)."""
    matching = node.matching
    left_groups, right_groups, count = _grouped(left, right, matching)
    swapped = matching.group == "right"
    together = _steps_together(matching, left.present, right.present)
    if swapped:
        sides = _Sides(right, left, right_groups, left_groups, count, True, together)
    else:
        sides = _Sides(left, right, left_groups, right_groups, count, False, together)
    _refuse_duplicates(sides)
    parts = [_matched(ev, node, sides), *_filled(ev, node, sides)]
    found = stacked(parts)
    if node.boolean:
        found = found.marked_nameless()
    message = (
        "multiple matches for labels: grouping labels must ensure unique matches"
        if matching.group
        else "multiple matches for labels: many-to-one matching must be explicit "
        "(group_left/group_right)"
    )
    return found.compact().merge(message)


def _steps_together(matching: Matching, left: Marks, right: Marks) -> Marks:
    """The steps at which both sides have anything, or one side is filled in."""
    on_left: Marks = np.logical_or.reduce(left, axis=0)
    on_right: Marks = np.logical_or.reduce(right, axis=0)
    filled_left = matching.fill_left is not None
    filled_right = matching.fill_right is not None
    return (on_left & on_right) | (on_right & filled_left) | (on_left & filled_right)


def _refuse_duplicates(sides: _Sides) -> None:
    """The one side may have one series per group and step."""
    if _all_apart(sides.one_groups):
        return
    counts = counts_by_group(sides.one_groups, sides.one.present & sides.together, sides.groups)
    wrong = np.argwhere(counts > 1)
    if not len(wrong):
        return
    group, column = wrong[0]
    rows = np.flatnonzero((sides.one_groups == group) & sides.one.present[:, column])
    names = [shown(row) for row in sides.one.labels.take(rows[:2]).rows()]
    hand = "left" if sides.swapped else "right"
    raise DbError(
        ErrorKind.INVALID_ARGUMENT,
        f"found duplicate series for the match group on the {hand} hand-side of the operation: "
        f"[{', '.join(names)}];many-to-many matching not allowed: matching labels must be unique "
        "on one side",
    )


def shown(labels: dict[str, str]) -> str:
    """Labels as PromQL writes them."""
    rest = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return "{" + rest + "}"


def _matched(ev: Evaluation, node: Binary, sides: _Sides) -> Frame:
    many_rows, one_rows = _pairs(sides)
    many, one = sides.many.take(many_rows), sides.one.take(one_rows)
    found = _operate(ev, node, sides, _cells(many), _cells(one))
    if not node.matching.group:
        _refuse_second_match(sides, many_rows, many.present & one.present)
    labels = _result_labels(node, many.labels, one.labels)
    return Frame(labels, found.values, found.present, many.nameless, found.histograms)


def _pairs(sides: _Sides) -> tuple[Rows, Rows]:
    """Rows of both sides that share a group."""
    order = np.argsort(sides.one_groups, kind="stable")
    sizes = np.bincount(sides.one_groups, minlength=sides.groups)
    starts = np.cumsum(sizes) - sizes
    low, counts = starts[sides.many_groups], sizes[sides.many_groups]
    many_rows = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    places = np.arange(counts.sum()) - np.repeat(before, counts) + np.repeat(low, counts)
    return many_rows, order[places]


def _refuse_second_match(sides: _Sides, many_rows: Rows, present: Marks) -> None:
    groups = sides.many_groups[many_rows]
    if _all_apart(groups):
        return
    if (counts_by_group(groups, present, sides.groups) > 1).any():
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)",
        )


def _operate(ev: Evaluation, node: Binary, sides: _Sides, many: Cells, one: Cells) -> Cells:
    left, right = (one, many) if sides.swapped else (many, one)
    return operate(node, left, right, ev.notes)


def _cells(frame: Frame) -> Cells:
    return Cells(frame.values, frame.present, frame.histograms)


def _constant(value: float, present: Marks) -> Cells:
    return Cells(np.full(present.shape, value), present)


def _result_labels(node: Binary, many: LabelTable, one: LabelTable) -> LabelTable:
    matching = node.matching
    if node.op not in COMPARISONS and node.op not in TRIMS:
        many = many.drop(METADATA)
    if not matching.group:
        if matching.on:
            return many.keep(matching.labels)
        return many.drop(matching.labels)
    for name in matching.include:
        many = many.put(name, one.column(name))
    return many


def _filled(ev: Evaluation, node: Binary, sides: _Sides) -> list[Frame]:
    """Rows of one side whose partner is absent, with the fill value for it."""
    matching = node.matching
    # As in Prometheus, "right" is the one side even where group_right has turned them round.
    one_fill, many_fill = matching.fill_right, matching.fill_left
    parts = []
    if one_fill is not None:
        there = counts_by_group(sides.one_groups, sides.one.present, sides.groups) > 0
        lonely = sides.many.where(~there[sides.many_groups])
        cells = _operate(ev, node, sides, _cells(lonely), _constant(one_fill, lonely.present))
        labels = _result_labels(node, lonely.labels, _signatures(lonely.labels, matching))
        parts.append(Frame(labels, cells.values, cells.present, lonely.nameless, cells.histograms))
    if many_fill is not None:
        there = counts_by_group(sides.many_groups, sides.many.present, sides.groups) > 0
        lonely = sides.one.where(~there[sides.one_groups])
        cells = _operate(ev, node, sides, _constant(many_fill, lonely.present), _cells(lonely))
        labels = _result_labels(node, _signatures(lonely.labels, matching), lonely.labels)
        parts.append(Frame(labels, cells.values, cells.present, lonely.nameless, cells.histograms))
    return parts
