"""What every function of PromQL may ask of the evaluation it is part of.

`evaluator.py` implements `Evaluation`; modules of functions take it as their first argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sql.promql.durations import Span
from sql.promql.frame import Frame, Window
from sql.promql.model import Floats, Matcher, SelectedSeries, Times
from sql.promql.notes import Notes
from sql.promql.tree import Call, Node, Shift, VectorSelector


class Evaluation(Protocol):
    """One query being evaluated."""

    notes: Notes
    span: Span

    def frame(self, node: Node, times: Times) -> Frame:
        """The instant vectors of an expression of that type."""

    def scalar(self, node: Node, times: Times) -> Floats:
        """The value at each step of a scalar expression."""

    def text(self, node: Node) -> str:
        """The value of a string expression."""

    def window(self, node: Node, times: Times) -> Window:
        """The range vectors of an expression of that type."""

    def latest(self, node: VectorSelector, times: Times) -> tuple[SelectedSeries, Times]:
        """A selector's series, and per series and step the place of its newest sample or -1."""

    def latest_of(
        self, matchers: tuple[Matcher, ...], steps: Times
    ) -> tuple[SelectedSeries, Times]:
        """The same of series that the text does not select itself."""

    def steps_of(self, shift: Shift, times: Times) -> Times:
        """The times that `@` and `offset` make of the times of evaluation."""

    def check(self) -> None:
        """Raises DbError when the evaluation is to end."""


Handler = Callable[[Evaluation, Call, Times], Frame]
ScalarHandler = Callable[[Evaluation, Call, Times], Floats]
