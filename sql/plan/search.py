"""What the WHERE clauses ask of texts: words, parts, patterns and whole values.

What is found only prunes (the conditions themselves stay), so missing something costs time, never
rows. Values may be parameters: `wanted_texts` reads them when the statement runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.records import Column
from engine.api import Needle, TextFilter
from engine.datatypes import TypeId
from sql.functions.rewrites.search import WORD, is_chinese
from sql.plan.literals import conjuncts, references_of
from sql.plan.parameters import parameter_number
from sql.plan.patterns import Piece, like_pieces, regex_pieces
from sql.plan.scopes import Scopes

if TYPE_CHECKING:
    from sql.plan.tables import Reference

ALTERNATIVES_MAX = 64  # more are hardly selective, and each is looked up


class Form(Enum):
    """How a text is asked for."""

    WORD = "word"  # between boundaries
    PART = "part"  # anywhere
    VALUE = "value"  # nothing else
    LIKE = "like"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Ask:
    """One condition on a column; `folded` if it is on its lower case."""

    column: str
    form: Form
    value: exp.Expr  # a literal or parameter
    folded: bool = False


Alternatives = tuple[tuple[Ask, ...], ...]  # one of them must hold, all of its conditions


def is_searched(column: Column) -> bool:
    """True if files may have an index of the column's words or values."""
    kinds = {kind.upper() for kind in column.indexes}
    return column.type.id is TypeId.STRING and bool({"FULLTEXT", "SKIPPING"} & kinds)


def text_asks(
    tree: exp.Expr, scopes: Scopes, scans: Sequence[Reference]
) -> dict[str, tuple[Alternatives, ...]]:
    """Placeholder → what its texts must fulfil, one entry for each condition."""
    by_node = {r.node_id: r for r in scans if any(map(is_searched, r.table.columns))}
    found: dict[str, tuple[Alternatives, ...]] = {}
    for holder in tree.find_all(exp.Select, exp.Delete, exp.Update) if by_node else ():
        where = holder.args.get("where")
        references = references_of(holder, by_node)
        for conjunct in conjuncts(where.this) if where is not None and references else ():
            for alias, reference in references.items():
                asked = _Reader(scopes, alias, reference).alternatives(conjunct)
                if asked is not None:
                    place = reference.placeholder
                    found[place] = (*found.get(place, ()), asked)
    return found


class _Reader:
    """Reads conditions on the texts of one scan."""

    def __init__(self, scopes: Scopes, alias: str, reference: Reference) -> None:
        self._scopes = scopes
        self._alias = alias
        self._reference = reference

    def alternatives(self, node: exp.Expr) -> Alternatives | None:
        """The alternatives of a condition; None if it says nothing that helps."""
        node = node.unnest()
        if node.args.get("negate"):
            return None
        if isinstance(node, exp.Or):
            found: list[tuple[Ask, ...]] = []
            for part in node.flatten():
                some = self.alternatives(part)
                if some is None or len(found) + len(some) > ALTERNATIVES_MAX:
                    return None
                found += some
            return tuple(found)
        if isinstance(node, exp.And):
            return self._all_of([self.alternatives(part) for part in node.flatten()])
        if isinstance(node, exp.In):
            return self._among(node)
        ask = self._ask(node)
        return None if ask is None else ((ask,),)

    def _all_of(self, parts: Sequence[Alternatives | None]) -> Alternatives | None:
        """Conditions that must all hold: those of the least alternatives are combined."""
        known = [part for part in parts if part is not None]
        if not known:
            return None
        found: Alternatives = ((),)
        for part in sorted(known, key=len):
            if len(found) * len(part) <= ALTERNATIVES_MAX:
                found = tuple((*one, *other) for one in found for other in part)
        return found if found != ((),) else None

    def _among(self, node: exp.In) -> Alternatives | None:
        values = node.expressions
        if node.args.get("query") or node.args.get("unnest") or not values:
            return None
        column = self._column(node.this)
        if column is None or len(values) > ALTERNATIVES_MAX or not all(map(_is_value, values)):
            return None
        return tuple((Ask(column[0], Form.VALUE, value, column[1]),) for value in values)

    def _ask(self, node: exp.Expr) -> Ask | None:
        if isinstance(node, exp.EQ):
            for side, value in ((node.left, node.right), (node.right, node.left)):
                if _is_value(value):
                    return self._made(side, Form.VALUE, value)
            return None
        if isinstance(node, exp.Like | exp.ILike):
            return self._made(node.this, Form.LIKE, node.expression, isinstance(node, exp.ILike))
        if isinstance(node, exp.RegexpLike) and not node.args.get("flag"):
            return self._made(node.this, Form.REGEX, node.expression)
        if isinstance(node, exp.Anonymous) and len(node.expressions) == 2:
            subject, value = node.expressions
            name = node.name.lower()
            if name == "contains":
                return self._made(subject, Form.WORD if node.meta.get(WORD) else Form.PART, value)
            if name == "gn_term":
                return self._made(subject, Form.WORD, value)
        return None

    def _made(
        self, subject: exp.Expr, form: Form, value: exp.Expr, folded: bool = False
    ) -> Ask | None:
        column = self._column(subject)
        value = _uncast(value)
        if column is None or not _is_value(value):
            return None
        return Ask(column[0], form, value, folded or column[1])

    def _column(self, node: exp.Expr) -> tuple[str, bool] | None:
        """The column, and whether its lower case is meant."""
        node = _uncast(node)
        if isinstance(node, exp.Lower):
            inner = self._column(node.this)
            return None if inner is None else (inner[0], True)
        source = self._scopes.source(node)
        if source is None:
            return None
        alias, column, table = source
        mine = alias == self._alias and table is self._reference.table
        return (column.name, False) if mine and is_searched(column) else None


def _uncast(node: exp.Expr) -> exp.Expr:
    """Without casts to text, which change no text."""
    node = node.unnest()
    while isinstance(node, exp.Cast) and node.to.this in (exp.DType.TEXT, exp.DType.VARCHAR):
        if node.to.expressions:
            break
        node = node.this.unnest()
    return node


def _is_value(node: exp.Expr) -> bool:
    return isinstance(node, exp.Parameter) or (isinstance(node, exp.Literal) and node.is_string)


# --- When the statement runs. ---------------------------------------------------------------------


def wanted_texts(reference: Reference, parameters: Sequence[object]) -> tuple[TextFilter, ...]:
    """The conditions whose values are known texts."""
    found = []
    for alternatives in reference.texts:
        made = [
            [needle for ask in some for needle in _needles(ask, parameters)]
            for some in alternatives
        ]
        if all(made):
            found.append(TextFilter(tuple(tuple(needles) for needles in made)))
    return tuple(found)


def _needles(ask: Ask, parameters: Sequence[object]) -> list[Needle]:
    """What a text must hold to fulfil a condition; nothing if that is not certain."""
    number = parameter_number(ask.value)
    value = parameters[number - 1] if number is not None else ask.value.name
    if not isinstance(value, str):
        return []
    if ask.form is Form.VALUE:
        return [Needle(ask.column, value, whole=True, folded=ask.folded)]
    if ask.form is Form.LIKE:
        pieces = like_pieces(value)
    elif ask.form is Form.REGEX:
        pieces = regex_pieces(value)
    elif not value:
        return [Needle(ask.column, value, whole=True)] if ask.form is Form.WORD else []
    else:
        is_word = ask.form is Form.WORD and not is_chinese(value)
        pieces = [Piece(value, starts=is_word, ends=is_word)]
    return [
        Needle(
            ask.column,
            _lower(piece.text) if ask.folded else piece.text,
            starts=piece.starts,
            ends=piece.ends,
            folded=ask.folded,
        )
        for piece in pieces
    ]


_UPPER = re.compile("[A-Z\u0130\u212a]+")


def _lower(text: str) -> str:
    """The lower case as far as ASCII is concerned; the rest is not looked up."""
    return _UPPER.sub(lambda found: found[0].lower(), text)
