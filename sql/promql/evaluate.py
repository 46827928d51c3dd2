"""The door of PromQL: evaluates a text or a tree between two times.

TQL and the HTTP API call it with a source of samples.
"""

from __future__ import annotations

from engine.errors import DbError, ErrorKind
from sql.promql.model import Check, Limits, Result, SampleSource


def _never() -> None:
    """The check of an evaluation that nobody ends."""


def evaluate(
    query: str,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    source: SampleSource,
    *,
    lookback_ms: int = 300_000,
    limits: Limits = Limits(),  # noqa: B008
    check: Check = _never,
) -> Result:
    """Evaluates at start, start + step, … up to end; with step 0 as an instant query at `end_ms`.

    Returns: an instant query's SCALAR, STRING, VECTOR or ragged MATRIX; of a range evaluation
        a MATRIX (SCALAR for scalars: one row, a value per step).
    Raises: DbError: SYNTAX with `position` for text that does not parse or type-check,
        INVALID_ARGUMENT for what fails while evaluating (many-to-many matching, duplicate series),
        LIMIT_EXCEEDED for limits, whatever `check` and the source raise.
    """
    raise DbError(ErrorKind.UNSUPPORTED, "PromQL is not evaluated yet")
