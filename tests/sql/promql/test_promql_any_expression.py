"""Any well-formed expression over any series is answered or refused, never a crash.

Expressions are drawn from the table of functions, so that new ones are covered as they come.
"""

from __future__ import annotations

import math
from random import Random

import pytest
from fake_series import STALE, MemorySource, Sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import DbError
from sql.promql.evaluate import evaluate
from sql.promql.histogram import CUSTOM, Hint, Histogram
from sql.promql.model import Result
from sql.promql.signatures import AGGREGATIONS, FUNCTIONS, PARAMETER_AGGREGATIONS
from sql.promql.tree import Type

SELECTORS = ["m", "n_total", "target_info", "b_bucket", '{job="a"}', "gone", 'm{instance=~"0|1"}']
SPANS = ["1m", "5m", "step() + 1", "30s"]
SHIFTS = ["", "", "", " offset 1m", " @ 300", " offset -30s", " @ end()"]
NUMBERS = ["1", "-1", "0", "0.5", "NaN", "Inf", "2", "1e9", "time()", "5m"]
TEXTS = ['"x"', '"job"', '"$1"', '"(.*)"', '""', '"__name__"', '"le"']
OPERATORS = ["+", "-", "*", "/", "%", "^", "atan2", "==", "<", ">= bool", "and", "or", "unless"]


def histogram(random: Random) -> Histogram:
    hint = random.choice(list(Hint))
    total = random.choice([0, 3, 5.5, math.nan, math.inf])
    if random.random() < 0.3:
        bounds = random.choice([(1.0, 2.0), (2.0, 5.0), (-1.0, 2.0)])
        return Histogram(CUSTOM, total, 1.0, positive={1: 2.5}, bounds=bounds, hint=hint)
    positive = {random.randrange(-3, 4): random.choice([0, 1.0, 3]) for _ in range(3)}
    zero = random.choice([0.0, 1.0])
    return Histogram(random.choice([-4, 0, 8]), total, 2.0, 0.5, zero, positive, {1: 1}, hint=hint)


def sample(random: Random) -> Sample:
    kind = random.random()
    if kind < 0.15:
        return None if kind < 0.1 else STALE
    if kind < 0.3:
        return histogram(random)
    return random.choice([0.0, 1.0, 5.5, 1e308, -3.0, math.nan, math.inf])


def any_source(random: Random) -> MemorySource:
    source = MemorySource()
    for name in ("m", "n_total", "target_info"):
        for place in range(3):
            labels = {"job": random.choice("ab"), "instance": str(place)}
            source.add(name, [sample(random) for _ in range(15)], **labels)
    for bound in ("1", "2", "+Inf", "x"):
        source.add("b_bucket", [sample(random) for _ in range(15)], le=bound)
    return source


def expression(random: Random, wanted: Type, depth: int) -> str:
    if wanted is Type.STRING:
        return random.choice(TEXTS)
    if wanted is Type.SCALAR:
        if depth <= 0 or random.random() < 0.7:
            return random.choice(NUMBERS)
        return f"scalar({expression(random, Type.VECTOR, depth - 1)})"
    if wanted is Type.MATRIX:
        shift = random.choice(SHIFTS)
        if depth <= 0 or random.random() < 0.7:
            return f"{random.choice(SELECTORS)}[{random.choice(SPANS)}]{shift}"
        return f"({expression(random, Type.VECTOR, depth - 1)})[{random.choice(SPANS)}:1m]{shift}"
    if depth <= 0:
        return random.choice(SELECTORS) + random.choice(["", " smoothed"]) + random.choice(SHIFTS)
    return random.choice([call, aggregation, operation])(random, depth)


def call(random: Random, depth: int) -> str:
    name = random.choice([name for name, one in FUNCTIONS.items() if one.returns is Type.VECTOR])
    if name == "info":
        return f"info({expression(random, Type.VECTOR, depth - 1)}, {{x=~'.*'}})"
    parameters = FUNCTIONS[name].parameters
    return f"{name}({', '.join(expression(random, one, depth - 1) for one in parameters)})"


def aggregation(random: Random, depth: int) -> str:
    name = random.choice(sorted(AGGREGATIONS))
    first = ""
    if name in PARAMETER_AGGREGATIONS:
        kind = Type.STRING if name == "count_values" else Type.SCALAR
        first = expression(random, kind, depth - 1) + ", "
    labels = random.choice(["", " by (job)", " without (instance)", " by (__name__, le)"])
    return f"{name}{labels} ({first}{expression(random, Type.VECTOR, depth - 1)})"


def operation(random: Random, depth: int) -> str:
    op = random.choice(OPERATORS)
    left = expression(random, Type.VECTOR, depth - 1)
    if op not in ("and", "or", "unless") and random.random() < 0.4:
        return f"({left}) {op} ({expression(random, Type.SCALAR, depth - 1)})"
    match = random.choice(["", " on (job)", " ignoring (instance)", " on ()"])
    if match and op not in ("and", "or", "unless"):
        match += random.choice(["", " group_right (le)", " fill (0)"])
    return f"({left}) {op}{match} ({expression(random, Type.VECTOR, depth - 1)})"


def well_formed(result: Result) -> bool:
    rows = [tuple(row.items()) for row in result.labels.rows()]
    shape = (len(rows), len(result.times))
    return (
        result.values.shape == result.present.shape == shape
        and bool(result.present.any(axis=1).all())
        and len(set(rows)) == len(rows)
    )


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_any_expression_is_answered_or_refused(seed: int) -> None:
    random = Random(seed)
    source = any_source(random)
    for _ in range(4):
        text = expression(random, Type.VECTOR, random.choice([1, 2, 3]))
        step = random.choice([0, 60_000, 77_000])
        try:
            result = evaluate(text, 0, random.choice([0, 300, 870]) * 1000, step, source)
        except DbError:
            continue
        assert well_formed(result), text
