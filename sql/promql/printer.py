"""PromQL trees as text and as JSON objects: what format_query and parse_query answer.

Pure. The text parses to the same tree; the objects have the names of Prometheus' own.
"""

from __future__ import annotations

import json
import math
import re

import numpy as np

from sql.promql.labels import NAME
from sql.promql.model import Match, Matcher
from sql.promql.tree import (
    SETS,
    Aggregate,
    Binary,
    Call,
    DurationCall,
    Edge,
    Matching,
    MatrixSelector,
    Node,
    Number,
    Parens,
    Shift,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)

_LINE_MAX = 100
_UNITS = (
    *(("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000)),
    *(("m", 60_000), ("s", 1_000), ("ms", 1)),
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


def text_of(node: Node) -> str:
    """The expression on one line."""
    if isinstance(node, Number):
        return number_text(node.value)
    if isinstance(node, Text):
        return json.dumps(node.value, ensure_ascii=False)
    if isinstance(node, VectorSelector):
        return _selector(node) + _shift(node.shift)
    if isinstance(node, MatrixSelector):
        extension = node.selector.extension.value
        text = f"{_selector(node.selector)}[{duration_text(node.range)}]"
        return text + (f" {extension}" if extension else "") + _shift(node.selector.shift)
    if isinstance(node, Subquery):
        step = "" if node.step is None else duration_text(node.step)
        return f"{text_of(node.inner)}[{duration_text(node.range)}:{step}]{_shift(node.shift)}"
    if isinstance(node, Parens):
        return f"({text_of(node.inner)})"
    if isinstance(node, Unary):
        return node.op + text_of(node.inner)
    if isinstance(node, Aggregate):
        inner = [text_of(one) for one in (node.parameter, node.inner) if one is not None]
        return f"{node.op}{_grouping(node)}({', '.join(inner)})"
    if isinstance(node, Binary):
        return f"{text_of(node.left)} {_operator(node)} {text_of(node.right)}"
    assert isinstance(node, Call | DurationCall)
    return f"{node.name}({', '.join(map(text_of, node.arguments))})"


def pretty(node: Node, depth: int = 0) -> str:
    """The expression over as many lines as keep each within a hundred characters."""
    indent = "  " * depth
    line = indent + text_of(node)
    if len(line) <= _LINE_MAX:
        return line
    if isinstance(node, Parens):
        return f"{indent}(\n{pretty(node.inner, depth + 1)}\n{indent})"
    if isinstance(node, Binary):
        left, right = pretty(node.left, depth + 1), pretty(node.right, depth + 1)
        return f"{left}\n{indent}{_operator(node)}\n{right}"
    if isinstance(node, Unary):
        return indent + node.op + pretty(node.inner, depth).lstrip()
    if isinstance(node, Aggregate):
        parts = [one for one in (node.parameter, node.inner) if one is not None]
        return f"{indent}{node.op}{_grouping(node)}(\n{_lines(parts, depth)}\n{indent})"
    if isinstance(node, Call):
        return f"{indent}{node.name}(\n{_lines(node.arguments, depth)}\n{indent})"
    if isinstance(node, Subquery):
        tail = text_of(node)[len(text_of(node.inner)) :]
        return pretty(node.inner, depth) + tail
    return line


def _lines(parts: tuple[Node, ...] | list[Node], depth: int) -> str:
    return ",\n".join(pretty(part, depth + 1) for part in parts)


def number_text(value: float) -> str:
    """A number as PromQL writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value and not 1e-6 <= abs(value) < 1e21:
        return f"{value!r}"
    return np.format_float_positional(value, trim="-")


def duration_text(node: Node) -> str:
    """A duration such as `1h30m`, or the expression that stands for one."""
    if not isinstance(node, Number):
        return text_of(node)
    left = round(node.value * 1000)
    if left <= 0:
        return "0s" if not left else "-" + duration_text(Number(-node.value))
    found = []
    for unit, length in _UNITS:
        exact = unit not in ("y", "w", "d") or left % length == 0
        if exact and left >= length:
            found.append(f"{left // length}{unit}")
            left %= length
    return "".join(found)


# --- Parts of expressions -------------------------------------------------------------------------


def _selector(node: VectorSelector) -> str:
    shown = [] if node.bare else [m for m in node.matchers if m.name == NAME][:1]
    rest = [matcher for matcher in node.matchers if matcher not in shown]
    name = shown[0].value if shown else ""
    pairs = [_matcher(matcher) for matcher in rest]
    if name and not _PLAIN_METRIC.fullmatch(name):
        pairs, name = [json.dumps(name, ensure_ascii=False), *pairs], ""
    return name + (f"{{{','.join(pairs)}}}" if pairs or not name else "")


def _matcher(matcher: Matcher) -> str:
    value = json.dumps(matcher.value, ensure_ascii=False)
    return f"{_label(matcher.name)}{matcher.op.value}{value}"


def _label(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _labels(names: tuple[str, ...]) -> str:
    return ", ".join(map(_label, names))


def _shift(shift: Shift) -> str:
    text = ""
    if isinstance(shift.at, Edge):
        text = f" @ {shift.at.value}()"
    elif shift.at is not None:
        text = f" @ {shift.at / 1000:.3f}"
    if shift.offset is not None:
        text += f" offset {duration_text(shift.offset)}"
    return text


def _grouping(node: Aggregate) -> str:
    if node.without:
        return f" without ({_labels(node.labels)}) "
    return f" by ({_labels(node.labels)}) " if node.labels else ""


def _operator(node: Binary) -> str:
    matching = node.matching
    parts = [node.op]
    if node.boolean:
        parts.append("bool")
    if matching.on or matching.labels:
        parts.append(f"{'on' if matching.on else 'ignoring'} ({_labels(matching.labels)})")
    if matching.group:
        parts.append(f"group_{matching.group} ({_labels(matching.include)})")
    for side, value in (("left", matching.fill_left), ("right", matching.fill_right)):
        if value is not None:
            parts.append(f"fill_{side} ({number_text(value)})")
    return " ".join(parts)


# --- Objects --------------------------------------------------------------------------------------


def as_object(node: Node | None) -> object:
    """The tree as Prometheus' parse_query shows it."""
    if node is None:
        return None
    if isinstance(node, Number):
        return {"type": "numberLiteral", "val": number_text(node.value)}
    if isinstance(node, Text):
        return {"type": "stringLiteral", "val": node.value}
    if isinstance(node, VectorSelector):
        return {"type": "vectorSelector", **_selector_object(node)}
    if isinstance(node, MatrixSelector):
        selector = _selector_object(node.selector)
        return {"type": "matrixSelector", **selector, "range": _length(node.range)}
    if isinstance(node, Subquery):
        step = 0 if node.step is None else _length(node.step)
        lengths = {"range": _length(node.range), "step": step}
        inner = as_object(node.inner)
        return {"type": "subquery", "expr": inner, **lengths, **_shift_object(node.shift)}
    if isinstance(node, Parens):
        return {"type": "parenExpr", "expr": as_object(node.inner)}
    if isinstance(node, Unary):
        return {"type": "unaryExpr", "op": node.op, "expr": as_object(node.inner)}
    if isinstance(node, Aggregate):
        how = {"grouping": list(node.labels), "without": node.without}
        parts = {"expr": as_object(node.inner), "param": as_object(node.parameter)}
        return {"type": "aggregation", "op": node.op, **parts, **how}
    if isinstance(node, Binary):
        return _binary_object(node)
    assert isinstance(node, Call | DurationCall)
    arguments = [as_object(argument) for argument in node.arguments]
    return {"type": "call", "func": {"name": node.name}, "args": arguments}


def _selector_object(node: VectorSelector) -> dict[str, object]:
    matchers = [{"name": m.name, "value": m.value, "type": m.op.value} for m in node.matchers]
    named = [m.value for m in node.matchers if m.name == NAME and m.op is Match.EQUAL]
    name = named[0] if named else ""
    return {"name": name, "matchers": matchers, **_shift_object(node.shift)}


def _shift_object(shift: Shift) -> dict[str, object]:
    edge = shift.at.value if isinstance(shift.at, Edge) else None
    at = None if isinstance(shift.at, Edge) else shift.at
    offset = 0 if shift.offset is None else _length(shift.offset)
    return {"offset": offset, "timestamp": at, "startOrEnd": edge}


def _length(node: Node) -> object:
    """Milliseconds where they are known, else text."""
    return round(node.value * 1000) if isinstance(node, Number) else text_of(node)


def _binary_object(node: Binary) -> dict[str, object]:
    sides = {"lhs": as_object(node.left), "rhs": as_object(node.right)}
    return {
        "type": "binaryExpr",
        "op": node.op,
        **sides,
        "matching": _matching_object(node.matching, is_set=node.op in SETS),
        "bool": node.boolean,
    }


def _matching_object(matching: Matching, *, is_set: bool) -> dict[str, object]:
    cards = {"left": "many-to-one", "right": "one-to-many"}
    card = "many-to-many" if is_set else cards.get(matching.group, "one-to-one")
    return {
        "card": card,
        "labels": list(matching.labels),
        "on": matching.on,
        "include": list(matching.include),
    }
