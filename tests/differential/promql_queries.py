"""Random PromQL that Prometheus 2.42 knows, from the grammar.

What is known to differ from Prometheus 3, whose rules we follow, is not asked: windows whose left
end is a sample (see promql_data.py; subqueries get odd ranges), names that a later function looks
at again, atan2 (it kept the name), rows that tie in topk and its like.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.differential.promql_data import LABELS, METRICS

_MATH = (
    *("abs", "ceil", "exp", "floor", "ln", "log10", "log2", "sgn", "sqrt", "deg", "rad"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh"),
)
_CALENDAR = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month")
_COUNTERS = ("rate", "increase", "irate", "resets", "changes")
_WINDOWS = (
    *("avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time"),
    *("stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time"),
    *("delta", "idelta", "deriv", "changes", "resets"),
)
_AGGREGATES = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_ARITHMETIC = ("+", "-", "*", "/", "%", "^")
_SETS = ("and", "or", "unless")
_RANGES = ("45s", "1m", "2m30s", "5m", "10m", "1h")
_SUBQUERIES = ("7m13s:1m", "3m7s:30s", "13m11s:", "5m1s:15s")


@dataclass
class Writer:
    """Makes one query; `depth` bounds how far expressions nest."""

    chance: random.Random
    start: int
    end: int

    def query(self) -> str:
        """A query."""
        depth = self.chance.choice((1, 2, 2, 3))
        return self.scalar(depth) if self.chance.random() < 0.05 else self.vector(depth)

    # Vectors.

    def vector(self, depth: int) -> str:
        """An instant vector."""
        if depth <= 0:
            return self.selector() + self.shift()
        makers = (
            (self._selected, 2),
            (self._aggregated, 5),
            (self._windowed, 5),
            (self._mathematics, 2),
            (self._binary, 5),
            (self._with_scalar, 3),
            (self._labelled, 1),
            (self._various, 2),
            (self._quantile, 1),
        )
        maker = self.chance.choices([m for m, _ in makers], [w for _, w in makers])[0]
        return maker(depth - 1)

    def _selected(self, depth: int) -> str:
        return self.selector() + self.shift()

    def _aggregated(self, depth: int) -> str:
        inner, grouping = self.vector(depth), self._grouping()
        kind = self.chance.random()
        if kind < 0.12:
            name = self.chance.choice(("topk", "bottomk"))
            return f"{name}{grouping}({self.chance.randrange(1, 4)}, {self._untied()})"
        if kind < 0.2:
            return f"quantile{grouping}({self.chance.choice(('0', '0.3', '0.5', '1'))}, {inner})"
        if kind < 0.23:
            return f'count_values{grouping}("value", floor({inner}))'
        return f"{self.chance.choice(_AGGREGATES)}{grouping}({inner})"

    def _untied(self) -> str:
        """A vector without equal values."""
        return f"avg_over_time(temperature[{self.chance.choice(_RANGES)}])"

    def _grouping(self) -> str:
        if self.chance.random() < 0.25:
            return ""
        names = self.chance.sample(("host", "job", "mode", "missing"), self.chance.randrange(3))
        return f" {self.chance.choice(('by', 'without'))} ({', '.join(names)}) "

    def _windowed(self, depth: int) -> str:
        if self.chance.random() < 0.25:
            inner = f"{self._atom(depth)}[{self.chance.choice(_SUBQUERIES)}]{self.shift()}"
            name = self.chance.choice(_WINDOWS)
        else:
            metric = self.chance.choice(METRICS)
            names = _COUNTERS if metric.endswith("_total") else _WINDOWS
            name = self.chance.choice(names)
            inner = f"{self.selector(metric)}[{self.chance.choice(_RANGES)}]{self.shift()}"
        kind = self.chance.random()
        if kind < 0.08:
            return f"quantile_over_time({self.chance.choice(('0.1', '0.5', '0.99'))}, {inner})"
        if kind < 0.14 and " @ " not in inner:  # Prometheus 2 loses samples of fixed windows
            return f"predict_linear({inner}, {self.chance.choice(('60', '3600', '-300'))})"
        if kind < 0.17:
            return f"absent_over_time({inner})"
        return f"{name}({inner})"

    def _mathematics(self, depth: int) -> str:
        if self.chance.random() < 0.2:
            return f"{self.chance.choice(_CALENDAR)}({self.selector()})"
        if self.chance.random() < 0.3:
            bounds = self.chance.choice(("-5, 20", "10, 30"))
            inner = self.vector(depth)
            return self.chance.choice(
                (f"clamp({inner}, {bounds})", f"clamp_max({inner}, 30)", f"round({inner}, 0.25)")
            )
        return f"{self.chance.choice(_MATH)}({self.vector(depth)})"

    def _binary(self, depth: int) -> str:
        left, right = self._atom(depth), self._atom(depth)
        kind = self.chance.random()
        if kind < 0.3:
            return f"{left} {self.chance.choice(_SETS)}{self._matching()} {right}"
        if kind < 0.5:
            op = self.chance.choice(_COMPARISONS) + self.chance.choice(("", " bool"))
        else:
            op = self.chance.choice(_ARITHMETIC)
        if self.chance.random() < 0.3:
            group = self.chance.choice(("group_left", "group_left(mode)", "group_left(job)"))
            one = f"sum by (host) ({right})"
            return f"{left} {op} on (host) {group} {one}"
        return f"{left} {op}{self._matching()} {right}"

    def _matching(self) -> str:
        if self.chance.random() < 0.4:
            return ""
        names = self.chance.sample(("host", "job", "mode"), self.chance.randrange(1, 3))
        return f" {self.chance.choice(('on', 'ignoring'))} ({', '.join(names)})"

    def _with_scalar(self, depth: int) -> str:
        op = self.chance.choice((*_ARITHMETIC, *_COMPARISONS))
        sides = [self._atom(depth), self.scalar(depth)]
        self.chance.shuffle(sides)
        return f"{sides[0]} {op} {sides[1]}"

    def _labelled(self, depth: int) -> str:
        inner = self.vector(depth)
        return self.chance.choice(
            (
                f'label_replace({inner}, "copy", "$1-x", "host", "(a|b|c)")',
                f'label_replace({inner}, "host", "$1", "job", "(.).*")',
                f'label_join({inner}, "both", "/", "host", "job")',
            )
        )

    def _various(self, depth: int) -> str:
        inner = self.vector(depth)
        name = self.chance.choice(("absent", "timestamp", "sort", "-", "+", "vector"))
        if name == "vector":
            return f"vector({self.scalar(depth)})"
        return f"{name}({inner})"

    def _quantile(self, depth: int) -> str:
        share = self.chance.choice(("0", "0.2", "0.5", "0.9", "1"))
        inner = f"rate(latency_bucket[{self.chance.choice(_RANGES)}])"
        if self.chance.random() < 0.5:
            inner = f"sum by (le) ({inner})"
        return f"histogram_quantile({share}, {inner})"

    def _atom(self, depth: int) -> str:
        """A vector that an operator or a bracket may follow."""
        return f"({self.vector(depth)})" if depth > 0 else self.selector()

    # Scalars and selectors.

    def scalar(self, depth: int) -> str:
        """A scalar."""
        kind = self.chance.randrange(8)
        if kind == 0:
            return f"scalar({self.vector(depth - 1)})"
        if kind == 1:
            return self.chance.choice(("time()", "pi()", "-3", "(1 + 2 * 3)"))
        return self.chance.choice(("0", "1", "2", "10", "0.5", "50", "1e3", "NaN", "Inf"))

    def selector(self, metric: str = "") -> str:
        """An instant vector selector."""
        metric = metric or self.chance.choice(METRICS)
        if self.chance.random() < 0.5:
            return metric
        name = self.chance.choice(("host", "job", "mode"))
        values = LABELS[name]
        value = self.chance.choice((*values, "", "zzz"))
        pattern = self.chance.choice(("a|b", ".*", ".+", "[^a]", "", "api|c", "s.*m"))
        return metric + self.chance.choice(
            (
                f'{{{name}="{value}"}}',
                f'{{{name}!="{value}"}}',
                f'{{{name}=~"{pattern}"}}',
                f'{{{name}!~"{pattern}"}}',
            )
        )

    def shift(self) -> str:
        """An offset, an `@`, or nothing."""
        kind = self.chance.random()
        if kind < 0.75:
            return ""
        if kind < 0.88:
            return " offset " + self.chance.choice(("1m", "5m", "-2m", "20m"))
        at = self.chance.choice(
            ("start()", "end()", str(self.chance.randrange(self.start, self.end) // 15 * 15))
        )
        return f" @ {at}"
