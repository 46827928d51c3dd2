"""ts_rank and ts_rank_cd: how well a tsvector matches a tsquery.

Called by the functions of sql/functions/arrow. The formulas are those of PostgreSQL's documentation
and of the paper it names: Clarke, Cormack, Tudhope, "Relevance Ranking for One to Three Term
Queries". https://www.postgresql.org/docs/15/textsearch-controls.html#TEXTSEARCH-RANKING
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sql.lexemes.matching import found, matches
from sql.lexemes.queries import Lexeme, Operator, Query, operands
from sql.lexemes.vectors import POSITION_MAX, Vector

WEIGHTS = (0.1, 0.2, 0.4, 1.0)  # of D, C, B and A
_LOG_LENGTH, _LENGTH, _EXTENTS, _UNIQUE, _LOG_UNIQUE, _BELOW_1 = 1, 2, 4, 8, 16, 32
_ZETA_2 = 1.64493406685
_NOTHING = 1e-20
Places = list[tuple[int, float]]  # place, weight


def rank(
    vector: Vector, query: Query, weights: Sequence[float] = WEIGHTS, method: int = 0
) -> float:
    """ts_rank(): by how often lexemes are there and, if all are asked for, how near together."""
    if query is None or not vector:
        return 0.0
    asked = operands(query)
    together = isinstance(query, Operator) and query.sign in ("&", "<->")
    value = _near(vector, asked, weights) if together and len(asked) > 1 else None
    if value is None and not (together and len(asked) > 1):
        value = _often(vector, asked, weights)
    return _normal(_NOTHING if value is None else value, vector, method)


def _placed(vector: Vector, lexeme: str, weights: Sequence[float]) -> Places:
    places = vector[lexeme]
    return [(place, weights["DCBA".index(places[place])]) for place in sorted(places)]


def _often(vector: Vector, asked: list[Lexeme], weights: Sequence[float]) -> float:
    total = 0.0
    for one in asked:
        for lexeme in found(vector, one):
            marks = [weight for _, weight in _placed(vector, lexeme, weights)] or [weights[0]]
            best = marks.index(max(marks))
            summed = sum(weight / (n * n) for n, weight in enumerate(marks, 1))
            total += (marks[best] + summed - marks[best] / (best + 1) ** 2) / _ZETA_2
    return total / len(asked)


def _near(vector: Vector, asked: list[Lexeme], weights: Sequence[float]) -> float | None:
    """None if no two of the lexemes are there."""
    value: float | None = None
    seen: list[tuple[int, Places]] = []  # of an earlier operand
    for number, one in enumerate(asked):
        for lexeme in found(vector, one):
            placed = _placed(vector, lexeme, weights)
            bare = not placed
            placed = placed or [(POSITION_MAX, weights[0])]
            for other, places in seen:
                if other != number:
                    value = _together(value, placed, places, bare=bare)
            seen.append((number, placed))
    return value


def _together(value: float | None, left: Places, right: Places, *, bare: bool) -> float | None:
    for place, weight in left:
        for other, other_weight in right:
            distance = abs(place - other)
            if not distance and not bare:
                continue
            one = math.sqrt(weight * other_weight * _nearness(distance or POSITION_MAX + 1))
            value = one if value is None else 1.0 - (1.0 - value) * (1.0 - one)
    return value


def _nearness(distance: int) -> float:
    return 1e-30 if distance > 100 else 1.0 / (1.005 + 0.05 * math.exp(distance / 1.5 - 2))


def _normal(value: float, vector: Vector, method: int, spread: float | None = None) -> float:
    """`method`: the bits of what the value is divided by; only covers have a `spread`."""
    length = sum(len(places) or 1 for places in vector.values())
    if method & _LOG_LENGTH and vector:
        value /= math.log(length + 1) / (math.log(2.0) if spread is None else 1.0)
    if method & _LENGTH and length:
        value /= length
    if method & _EXTENTS and spread:
        value /= spread
    if method & _UNIQUE:
        value /= len(vector)
    if method & _LOG_UNIQUE:
        value /= math.log(len(vector) + 1) / math.log(2.0)
    return value / (value + 1) if method & _BELOW_1 else value


# --- Cover density --------------------------------------------------------------------------------


def rank_cd(
    vector: Vector, query: Query, weights: Sequence[float] = WEIGHTS, method: int = 0
) -> float:
    """ts_rank_cd(): by how many short pieces of the text match, and how short they are."""
    marks: dict[int, tuple[float, Vector]] = {}
    for one in operands(query):
        for lexeme in found(vector, one):
            for place, weight in vector[lexeme].items():
                if not one.weights or weight in one.weights:
                    told = marks.setdefault(place, (weights["DCBA".index(weight)], {}))[1]
                    told[lexeme] = {place: weight}
    document = [(place, *marks[place]) for place in sorted(marks)]
    value, distances, before, covers, at = 0.0, 0.0, 0.0, 0, 0
    while (cover := _cover(document, query, at)) is not None:
        begin, end = cover
        first, last = document[begin][0], document[end][0]
        summed = sum(1.0 / (document[n][1] or _NOTHING) for n in range(begin, end + 1))
        noise = last - first - (end - begin)
        value += (end - begin + 1) / summed / (1 + (noise if noise >= 0 else (end - begin) // 2))
        middle = (first + last) / 2.0
        if covers and middle > before:
            distances += 1.0 / (middle - before)
        before, covers, at = middle, covers + 1, begin + 1
    return _normal(value, vector, method, covers / distances if distances else 0.0)


def _cover(
    document: list[tuple[int, float, Vector]], query: Query, at: int
) -> tuple[int, int] | None:
    """The next piece of the document, from `at` on, that matches with nothing too much in it."""
    seen: Vector = {}
    for end in range(at, len(document)):
        _tell(seen, document[end][2])
        if not matches(seen, query):
            continue
        back: Vector = {}
        for begin in range(end, at - 1, -1):
            _tell(back, document[begin][2])
            if matches(back, query):
                return begin, end
    return None


def _tell(seen: Vector, here: Vector) -> None:
    for lexeme, places in here.items():
        seen.setdefault(lexeme, {}).update(places)
