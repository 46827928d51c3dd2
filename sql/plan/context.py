"""What planning may ask of the session: names, zone, identity. No execution state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from catalog.objects import Routine, UserType
from catalog.records import Table
from engine.datatypes import DataType
from sql.session import ClientInfo, Wire

MYSQL_DATABASES = frozenset({"mysql", "performance_schema", "sys"})  # of its wire alone
CATALOG = "greptime"  # the one catalog, as three-part names spell it


@dataclass(frozen=True)
class Meaning:
    """What a name of a type means: a data type, and the domain that it was named by."""

    type: DataType
    domain: UserType | None = None


TypeLookup = Callable[[str, str], Meaning | None]  # (database or nothing, name)


@dataclass(frozen=True)
class PlanContext:
    """A session as the planner sees it."""

    wire: Wire
    database: str
    timezone: str
    client: ClientInfo
    session_id: int
    lookup: Callable[[str, str], Table | None]  # (database, name)
    has_database: Callable[[str], bool]
    is_system: Callable[[str, str], bool]
    setting: Callable[[str], str]
    variable: Callable[[str], object]  # MySQL's @name; None if it was never set
    parse_view: Callable[[Table], exp.Expr]
    text: str = ""  # the statement, for error positions
    is_sequence: Callable[[str, str], bool] = lambda database, name: False
    temporary: Callable[[str], bool] = lambda name: False  # is it a temporary table, unqualified?
    type_named: TypeLookup = lambda database, name: None  # users' own
    shown: Callable[[Table], Table] = lambda table: table  # a table with what a query sees of it
    loosely: bool = False  # MySQL: values of unknown types may have to be converted
    routines: Mapping[str, tuple[Routine, ...]] = field(default_factory=dict)  # by lower names
    given: Mapping[str, Table] = field(default_factory=dict)  # registered rows → whose they are

    @property
    def is_utc(self) -> bool:
        """True if the session's clock is UTC's."""
        return self.timezone == "UTC"

    @property
    def date_order(self) -> str:
        """Which number of `09/12/2023` is the month: MDY, DMY, YMD; empty where nobody says."""
        return self.setting("DateStyle")[-3:] if self.wire is Wire.POSTGRES else ""

    @property
    def catalogs(self) -> frozenset[str]:
        """Names that may stand before the database in a three-part name."""
        return frozenset({CATALOG, self.client.database or CATALOG, "def", self.database})
