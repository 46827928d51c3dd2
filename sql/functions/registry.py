"""The one list of SQL functions: what there is, on which wire, what it means, how it is run.

Everything else is derived from it: the parser leaves these names alone, sql/functions/calls.py
rewrites their calls, install.py tells DuckDB, SHOW FUNCTIONS, pg_proc and information_schema list
them, docs/functions.md and the tests of examples are made from them. It knows no SQL trees' users.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sql.session import Wire

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot import exp

ALL = frozenset(Wire)
POSTGRES = frozenset({Wire.POSTGRES, Wire.HTTP})
MYSQL = frozenset({Wire.MYSQL})


class Kind(Enum):
    """How a function is called."""

    SCALAR = "scalar"
    AGGREGATE = "aggregate"
    WINDOW = "window"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Native:
    """DuckDB has it, under `name` if that is another; or sqlglot or the planner makes it so."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Macro:
    """A SQL macro in DuckDB: one `(parameters) AS expression` for each overload."""

    overloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArrowFunction:
    """A function over Arrow columns, in a module that is imported when it is first called.

    `parameters` and `returns` are DuckDB's type names; NULLs reach the function.
    """

    module: str
    function: str
    parameters: tuple[str, ...]
    returns: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The call becomes another expression when the statement is planned."""

    make: Callable[[Sequence[exp.Expr]], exp.Expr]


How = Native | Macro | ArrowFunction | Rewrite


@dataclass(frozen=True)
class Function:
    """One function as one wire (or several) offers it."""

    signature: str  # "left(text text, count bigint) -> text", optional parameters in brackets
    category: str
    doc: str
    how: How
    wires: frozenset[Wire] = ALL
    kind: Kind = Kind.SCALAR
    aliases: tuple[str, ...] = ()
    examples: tuple[tuple[str, Any], ...] = ()  # expression, the value it has

    @cached_property
    def name(self) -> str:
        """Its first name."""
        return re.split(r"\W", self.signature, maxsplit=1)[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it answers to."""
        return (self.name, *self.aliases)

    @cached_property
    def returns(self) -> str:
        """The type of its result, as documented."""
        return self.signature.rpartition("-> ")[2]

    @cached_property
    def arguments(self) -> tuple[tuple[str, str], ...]:
        """(name, type) of its parameters, the optional ones too; `...` is left out."""
        inside = _ARGUMENTS.search(self.signature)
        text = re.sub(r"[\[\]]", "", inside.group(1)) if inside else ""
        parts = [part.strip().partition(" ") for part in text.split(",") if part.strip(" .")]
        return tuple((name, kind or "any") for name, _, kind in parts)

    @cached_property
    def engine_name(self) -> str:
        """What DuckDB calls it."""
        if isinstance(self.how, Native):
            return self.how.name or self.name
        suffix = "_mysql" if self.wires == MYSQL else ""
        return f"{PREFIX}{self.name}{suffix}"


PREFIX = "gn_"  # of everything installed in DuckDB
_ARGUMENTS = re.compile(r"\((.*)\)(?: ->|$)")


def function(
    signature: str,
    doc: str,
    how: How | str | tuple[str, ...] | Callable[[Sequence[exp.Expr]], exp.Expr] | None = None,
    *aliases: str,
    ex: dict[str, Any] | None = None,
    wires: frozenset[Wire] = ALL,
    kind: Kind = Kind.SCALAR,
) -> Function:
    """One entry. `how`: None is native, a text that begins with `(` a macro, another a new name."""
    if how is None:
        made: How = Native()
    elif isinstance(how, str):
        made = Macro((how,)) if how.startswith("(") else Native(how)
    elif isinstance(how, tuple):
        made = Macro(how)
    elif isinstance(how, (Native, Macro, ArrowFunction, Rewrite)):
        made = how
    else:
        made = Rewrite(how)
    return Function(
        signature, "", doc, made, wires, kind, tuple(aliases), tuple((ex or {}).items())
    )


def arrow(module: str, name: str, parameters: str, returns: str) -> ArrowFunction:
    """`name` of sql/functions/arrow/`module`.py over columns of these DuckDB types."""
    kinds = tuple(part.strip() for part in parameters.split(","))
    return ArrowFunction(f"sql.functions.arrow.{module}", name, kinds, returns)


ArrowCallable = Callable[..., "pa.Array"]
