"""Annotations of a query: warnings and infos with the place in its text.

Functions add them through `Notes`; wording and form are those Prometheus' clients know.
"""

from __future__ import annotations

from sql.promql.tree import Node


class Notes:
    """What is said about one query; equal notes are kept once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._warnings: set[str] = set()
        self._infos: set[str] = set()

    def warn(self, message: str, node: Node) -> None:
        """The answer may be wrong."""
        self._warnings.add(f"PromQL warning: {message} {self._place(node)}")

    def info(self, message: str, node: Node) -> None:
        """The answer may surprise."""
        self._infos.add(f"PromQL info: {message} {self._place(node)}")

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, sorted."""
        return tuple(sorted(self._warnings))

    @property
    def infos(self) -> tuple[str, ...]:
        """All infos, sorted."""
        return tuple(sorted(self._infos))

    def _place(self, node: Node) -> str:
        before = self._text[: node.start]
        line = before.count("\n") + 1
        column = node.start - (before.rfind("\n") + 1) + 1
        return f"({line}:{column})"
