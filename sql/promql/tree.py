"""The tree of a PromQL expression.

`parser.py` makes it, `check.py` types it, the evaluator walks it. Positions are 0-based character
offsets into the text; durations that are known are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sql.promql.model import Matcher


class Type(Enum):
    """What an expression yields, named as Prometheus names it in messages."""

    SCALAR = "scalar"
    STRING = "string"
    VECTOR = "instant vector"
    MATRIX = "range vector"


@dataclass(frozen=True, kw_only=True)
class Node:
    """Any expression; `start` and `end` delimit its text."""

    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Number(Node):
    """A literal number; a duration literal is its seconds."""

    value: float


@dataclass(frozen=True)
class Text(Node):
    """A string literal."""

    value: str


@dataclass(frozen=True)
class DurationCall(Node):
    """`step()`, `range()`, `min_of(a, b)` or `max_of(a, b)` where a duration stands."""

    name: str
    arguments: tuple[Node, ...] = ()


class Extension(Enum):
    """How a selector treats samples at the edges of its range."""

    NONE = ""
    ANCHORED = "anchored"
    SMOOTHED = "smoothed"


class Edge(Enum):
    """`@ start()` and `@ end()`."""

    START = "start"
    END = "end"


@dataclass(frozen=True)
class Shift:
    """`offset` and `@` of a selector or subquery.

    Attributes:
        offset: an expression of numbers and duration calls, in seconds; None for no offset.
        at: milliseconds, an edge of the query, or None.
    """

    offset: Node | None = None
    at: int | Edge | None = None


@dataclass(frozen=True)
class VectorSelector(Node):
    """`name{matchers}` with its modifiers; `bare` if no name stands before the braces."""

    matchers: tuple[Matcher, ...]
    bare: bool = False
    shift: Shift = field(default_factory=Shift)
    extension: Extension = Extension.NONE

    @property
    def name(self) -> str:
        """The metric's name where the text fixes it, else ""."""
        for matcher in self.matchers:
            if matcher.name == "__name__" and matcher.op.value == "=":
                return matcher.value
        return ""


@dataclass(frozen=True)
class MatrixSelector(Node):
    """`selector[range]`; the modifiers are the selector's."""

    selector: VectorSelector
    range: Node


@dataclass(frozen=True)
class Subquery(Node):
    """`expr[range:step]`; no `step` means the default one."""

    inner: Node
    range: Node
    step: Node | None
    shift: Shift = field(default_factory=Shift)


@dataclass(frozen=True)
class Parens(Node):
    """An expression in parentheses."""

    inner: Node


@dataclass(frozen=True)
class Unary(Node):
    """`-expr` or `+expr`."""

    op: str
    inner: Node


@dataclass(frozen=True)
class Call(Node):
    """A function call."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Aggregate(Node):
    """`op by (labels) (parameter, inner)`."""

    op: str
    inner: Node
    parameter: Node | None = None
    labels: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True)
class Matching:
    """How the sides of a binary operation find each other.

    Attributes:
        on: True for `on (labels)`, False for `ignoring (labels)` or nothing.
        group: "left" or "right", the side with many series, or "".
        include: labels taken over from the side with one.
    """

    on: bool = False
    labels: tuple[str, ...] = ()
    group: str = ""
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True)
class Binary(Node):
    """`left op right`."""

    op: str
    left: Node
    right: Node
    boolean: bool = False
    matching: Matching = field(default_factory=Matching)


COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
# Operators that cut the observations above or below a value off histograms.
TRIMS = frozenset({"</", ">/"})
SETS = frozenset({"and", "or", "unless"})


def unwrap(node: Node) -> Node:
    """The expression inside any parentheses."""
    while isinstance(node, Parens):
        node = node.inner
    return node
