"""Whether a tsvector satisfies a tsquery: `@@`.

Called by the functions of sql/functions/arrow, by ranking.py and headlines.py.
https://www.postgresql.org/docs/15/textsearch-intro.html#TEXTSEARCH-MATCHING
"""

from __future__ import annotations

from dataclasses import dataclass

from sql.lexemes.queries import Lexeme, Node, Operator, Query, Stop
from sql.lexemes.vectors import Vector


def matches(vector: Vector, query: Query) -> bool:
    """`vector @@ query`. A phrase needs places: a stripped vector satisfies none.

    >>> from sql.lexemes.queries import read_query
    >>> from sql.lexemes.vectors import read_vector
    >>> vector = read_vector("fat:1 cat:2 rat:4")
    >>> [matches(vector, read_query(q)) for q in ("fat <-> cat", "cat <-> rat", "r:* & !dog")]
    [True, False, True]
    """
    return query is not None and _holds(vector, query)


def _holds(vector: Vector, node: Node) -> bool:
    if isinstance(node, Stop):
        return False
    if isinstance(node, Lexeme):
        return any(has_weight(vector[lexeme], node) for lexeme in found(vector, node))
    if node.right is None:
        return not _holds(vector, node.left)
    if node.sign == "&":
        return _holds(vector, node.left) and _holds(vector, node.right)
    if node.sign == "|":
        return _holds(vector, node.left) or _holds(vector, node.right)
    ends = _ends(vector, node)
    return ends.but or bool(ends.places)


def found(vector: Vector, lexeme: Lexeme) -> list[str]:
    """The lexemes of the vector that one of a query means."""
    if lexeme.prefix:
        return [text for text in vector if text.startswith(lexeme.text)]
    return [lexeme.text] if lexeme.text in vector else []


def has_weight(places: dict[int, str], lexeme: Lexeme) -> bool:
    """True if one of the places has a weight that is asked for."""
    return not lexeme.weights or any(weight in lexeme.weights for weight in places.values())


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where what matches a node ends, or everywhere `but` there; and how long it is."""

    places: frozenset[int]
    but: bool = False
    width: int = 0


def _ends(vector: Vector, node: Node) -> _Ends:
    """Inside of a phrase."""
    if isinstance(node, Stop):
        return _Ends(frozenset())
    if isinstance(node, Lexeme):
        return _Ends(
            frozenset(
                place
                for lexeme in found(vector, node)
                for place, weight in vector[lexeme].items()
                if not node.weights or weight in node.weights
            )
        )
    left = _ends(vector, node.left)
    if node.right is None:
        return _Ends(left.places, not left.but, left.width)
    right = _ends(vector, node.right)
    if node.sign == "<->":
        moved = node.distance + right.width
        both = _both(_moved(left, moved), right)
        return _Ends(both.places, both.but, moved + left.width)
    width = max(left.width, right.width)
    left, right = _moved(left, width - left.width), _moved(right, width - right.width)
    if node.sign == "&":
        both = _both(left, right)
        return _Ends(both.places, both.but, width)
    neither = _both(_Ends(left.places, not left.but), _Ends(right.places, not right.but))
    return _Ends(neither.places, not neither.but, width)


def _moved(ends: _Ends, by: int) -> _Ends:
    return _Ends(frozenset(place + by for place in ends.places), ends.but, ends.width)


def _both(left: _Ends, right: _Ends) -> _Ends:
    if left.but and right.but:
        return _Ends(left.places | right.places, True)
    if left.but:
        return _Ends(right.places - left.places)
    return _Ends(left.places - right.places if right.but else left.places & right.places)


def lexemes_of(node: Node | None) -> list[Lexeme]:
    """The lexemes a query looks for, not those it excludes."""
    if isinstance(node, Lexeme):
        return [node]
    if not isinstance(node, Operator) or node.sign == "!":
        return []
    return lexemes_of(node.left) + lexemes_of(node.right)
