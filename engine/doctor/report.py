"""What an examination found, and what was repaired.

Filled by the modules of this package and by catalog.doctor; shown by server/doctor.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from engine.errors import DbError


class Severity(Enum):
    """How bad a finding is, by what happens if nobody does anything."""

    LEFTOVER = "leftover"  # of something unfinished; the next start of the server clears it away
    WRONG = "wrong"  # parts disagree: queries may give wrong answers
    DAMAGE = "damage"  # bytes are lost or changed: a start or a query will fail


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    `readable` says what of a damaged thing can still be read, `repair` what was done about it.
    """

    severity: Severity
    path: str  # relative to the data directory
    message: str
    readable: str | None = None
    repair: str | None = None


class Report:
    """Findings in the order in which they were found, and how much was looked at.

    `repairing`: fixes that are known to be safe are carried out, each as it is found.
    """

    def __init__(self, *, repairing: bool = False) -> None:
        # Constant after construction.
        self.repairing = repairing
        # Before every path: where the part that is being examined lies in the data directory.
        self.prefix = ""
        # Changed by one thread only.
        self.findings: list[Finding] = []
        self.checked: Counter[str] = Counter()

    def found(
        self,
        severity: Severity,
        path: str,
        message: str,
        *,
        readable: str | None = None,
        fix: Callable[[], str] | None = None,
    ) -> None:
        """Notes a finding. `fix` repairs it and says how; None if nothing safe can be done."""
        repair = None
        if fix is not None and self.repairing:
            try:
                repair = fix()
            except DbError as error:
                message = f"{message} (the repair failed: {error.message})"
        self.findings.append(Finding(severity, self.prefix + path, message, readable, repair))

    @property
    def open_findings(self) -> list[Finding]:
        """Those that were not repaired."""
        return [finding for finding in self.findings if finding.repair is None]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "clean": not self.open_findings,
            "checked": dict(sorted(self.checked.items())),
            "findings": [
                {**asdict(finding), "severity": finding.severity.value} for finding in self.findings
            ],
        }
