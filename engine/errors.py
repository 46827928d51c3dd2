"""The one error type of the house.

Every floor raises `DbError`; every wire translates it once, from the codes its `ErrorKind` carries.
Numbers follow GreptimeDB's status codes (HTTP JSON `code`), PostgreSQL's Appendix A (SQLSTATE) and
MySQL's server error reference (errno and its own SQLSTATE).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple


class Codes(NamedTuple):
    """How one kind of error is spelled on each wire."""

    status: int  # GreptimeDB status code, the JSON `code`
    name: str  # GreptimeDB status name
    http: int  # HTTP status
    sqlstate: str  # PostgreSQL SQLSTATE
    errno: int  # MySQL error number
    mysql_state: str  # MySQL SQLSTATE


class ErrorKind(Enum):
    """What went wrong, named by what the caller does next.

    A new kind exists only when some client would act differently on it.
    """

    # The request is wrong: fix it.
    SYNTAX = Codes(2000, "InvalidSyntax", 400, "42601", 1064, "42000")
    EMPTY_STATEMENT = Codes(2000, "InvalidSyntax", 400, "42601", 1065, "42000")
    UNSUPPORTED = Codes(1001, "Unsupported", 400, "0A000", 1235, "42000")
    PLAN_CHANGED = Codes(1001, "Unsupported", 400, "0A000", 1615, "HY000")
    WRONG_ARGUMENTS = Codes(1004, "InvalidArguments", 400, "42601", 1210, "HY000")  # their number
    INVALID_ARGUMENT = Codes(1004, "InvalidArguments", 400, "22023", 1210, "HY000")
    PLAN = Codes(3000, "PlanQuery", 400, "42000", 1105, "HY000")
    UNDEFINED_COLUMN = Codes(4002, "TableColumnNotFound", 400, "42703", 1054, "42S22")
    AMBIGUOUS_COLUMN = Codes(3000, "PlanQuery", 400, "42702", 1052, "23000")
    DUPLICATE_COLUMN = Codes(4003, "TableColumnExists", 400, "42701", 1060, "42S21")
    UNDEFINED_TABLE = Codes(4001, "TableNotFound", 400, "42P01", 1146, "42S02")
    DUPLICATE_TABLE = Codes(4000, "TableAlreadyExists", 400, "42P07", 1050, "42S01")
    UNDEFINED_DATABASE = Codes(4004, "DatabaseNotFound", 400, "3D000", 1049, "42000")
    UNDEFINED_SCHEMA = Codes(4004, "DatabaseNotFound", 400, "3F000", 1049, "42000")
    DUPLICATE_DATABASE = Codes(4011, "DatabaseAlreadyExists", 400, "42P06", 1007, "HY000")
    UNDEFINED_FUNCTION = Codes(3000, "PlanQuery", 400, "42883", 1305, "42000")
    UNDEFINED_OBJECT = Codes(1004, "InvalidArguments", 400, "42704", 1193, "HY000")
    DUPLICATE_OBJECT = Codes(1004, "InvalidArguments", 400, "42710", 1396, "HY000")
    UNDEFINED_PARAMETER = Codes(3000, "PlanQuery", 400, "42P02", 1210, "HY000")
    UNDEFINED_SESSION = Codes(1004, "InvalidArguments", 400, "42704", 1094, "HY000")
    UNDEFINED_STATEMENT = Codes(1004, "InvalidArguments", 400, "26000", 1243, "HY000")
    UNDEFINED_CURSOR = Codes(1004, "InvalidArguments", 400, "34000", 1325, "24000")
    DUPLICATE_STATEMENT = Codes(1004, "InvalidArguments", 400, "42P05", 1105, "HY000")
    DUPLICATE_CURSOR = Codes(1004, "InvalidArguments", 400, "42P03", 1333, "42000")
    WRONG_OBJECT_TYPE = Codes(1004, "InvalidArguments", 400, "42809", 1347, "HY000")
    INVALID_TABLE_DEFINITION = Codes(1004, "InvalidArguments", 400, "42P16", 1075, "42000")
    NO_SUCH_KEY = Codes(1004, "InvalidArguments", 400, "42P10", 1105, "HY000")
    DEPENDENT_OBJECTS = Codes(1004, "InvalidArguments", 400, "2BP01", 1451, "23000")
    GROUPING = Codes(3000, "PlanQuery", 400, "42803", 1055, "42000")
    MISPLACED_AGGREGATE = Codes(3000, "PlanQuery", 400, "42803", 1111, "HY000")
    DUPLICATE_ALIAS = Codes(3000, "PlanQuery", 400, "42712", 1066, "42000")
    SET_OPERATION_COLUMNS = Codes(3000, "PlanQuery", 400, "42601", 1222, "21000")
    SUBQUERY_COLUMNS = Codes(3000, "PlanQuery", 400, "42601", 1241, "21000")
    WINDOWING = Codes(3000, "PlanQuery", 400, "42P20", 3593, "HY000")
    DATATYPE_MISMATCH = Codes(3000, "PlanQuery", 400, "42804", 1105, "HY000")
    COLUMN_COUNT = Codes(1004, "InvalidArguments", 400, "42601", 1136, "21S01")
    READ_ONLY = Codes(1001, "Unsupported", 400, "25006", 1792, "25006")
    UNDEFINED_FILE = Codes(1004, "InvalidArguments", 400, "58P01", 29, "HY000")
    GENERATED_ALWAYS = Codes(1004, "InvalidArguments", 400, "428C9", 3105, "HY000")
    NOT_READY = Codes(1004, "InvalidArguments", 400, "55000", 1105, "HY000")
    # A value is wrong: fix the data.
    INVALID_TEXT = Codes(3001, "EngineExecuteQuery", 400, "22P02", 1366, "22007")
    INVALID_DATETIME = Codes(3001, "EngineExecuteQuery", 400, "22007", 1292, "22007")
    INVALID_BINARY = Codes(1004, "InvalidArguments", 400, "22P03", 1105, "HY000")
    INVALID_ENCODING = Codes(1004, "InvalidArguments", 400, "22021", 1300, "HY000")
    UNTRANSLATABLE = Codes(1004, "InvalidArguments", 400, "22P05", 3854, "HY000")
    DATA_EXCEPTION = Codes(3001, "EngineExecuteQuery", 400, "22000", 1366, "22000")
    OUT_OF_RANGE = Codes(3001, "EngineExecuteQuery", 400, "22003", 1264, "22003")
    TEXT_TOO_LONG = Codes(3001, "EngineExecuteQuery", 400, "22001", 1406, "22001")
    STRING_LENGTH = Codes(3001, "EngineExecuteQuery", 400, "22026", 1406, "22026")
    DATETIME_OVERFLOW = Codes(3001, "EngineExecuteQuery", 400, "22008", 1292, "22007")
    DIVISION_BY_ZERO = Codes(3001, "EngineExecuteQuery", 400, "22012", 1365, "22012")
    BAD_COPY_DATA = Codes(1004, "InvalidArguments", 400, "22P04", 1262, "01000")
    NOT_NULL_VIOLATION = Codes(1004, "InvalidArguments", 400, "23502", 1048, "23000")
    UNIQUE_VIOLATION = Codes(1004, "InvalidArguments", 400, "23505", 1062, "23000")
    CHECK_VIOLATION = Codes(1004, "InvalidArguments", 400, "23514", 3819, "HY000")
    FOREIGN_KEY_VIOLATION = Codes(1004, "InvalidArguments", 400, "23503", 1452, "23000")
    STILL_REFERENCED = Codes(1004, "InvalidArguments", 400, "23503", 1451, "23000")
    CANNOT_TRUNCATE = Codes(1001, "Unsupported", 400, "0A000", 1701, "42000")
    INVALID_FOREIGN_KEY = Codes(1004, "InvalidArguments", 400, "42830", 1822, "HY000")
    RAISED = Codes(1004, "InvalidArguments", 400, "P0001", 1644, "45000")
    CARDINALITY = Codes(3001, "EngineExecuteQuery", 400, "21000", 1242, "21000")
    # Transactions.
    ACTIVE_TRANSACTION = Codes(1004, "InvalidArguments", 400, "25001", 1568, "25001")
    FAILED_TRANSACTION = Codes(1004, "InvalidArguments", 400, "25P02", 1105, "HY000")
    NO_TRANSACTION = Codes(1004, "InvalidArguments", 400, "25P01", 1305, "42000")
    UNDEFINED_SAVEPOINT = Codes(1004, "InvalidArguments", 400, "3B001", 1305, "42000")
    SERIALIZATION_FAILURE = Codes(3001, "EngineExecuteQuery", 503, "40001", 1213, "40001")
    DEADLOCK = Codes(3001, "EngineExecuteQuery", 503, "40P01", 1213, "40001")
    LOCK_TIMEOUT = Codes(1008, "DeadlineExceeded", 504, "55P03", 1205, "HY000")
    # Who may do what.
    BAD_PASSWORD = Codes(7002, "UserPasswordMismatch", 401, "28P01", 1045, "28000")
    BAD_AUTHORIZATION = Codes(7000, "UserNotFound", 401, "28000", 1045, "28000")
    ACCESS_DENIED = Codes(7006, "PermissionDenied", 403, "42501", 1142, "42000")
    LOCAL_INFILE_REFUSED = Codes(1001, "Unsupported", 400, "0A000", 3948, "42000")
    # Protocol and limits.
    PROTOCOL = Codes(1004, "InvalidArguments", 400, "08P01", 1835, "HY000")
    UNKNOWN_COMMAND = Codes(1001, "Unsupported", 400, "08P01", 1047, "08S01")
    LIMIT_EXCEEDED = Codes(1004, "InvalidArguments", 413, "54000", 1153, "08S01")
    TOO_MANY_STATEMENTS = Codes(1004, "InvalidArguments", 400, "53400", 1461, "42000")
    TOO_MANY_CONNECTIONS = Codes(6000, "RuntimeResourcesExhausted", 503, "53300", 1040, "08004")
    # The server cannot now: wait, then try again.
    OUT_OF_MEMORY = Codes(6000, "RuntimeResourcesExhausted", 503, "53200", 1041, "HY000")
    DISK_FULL = Codes(5000, "StorageUnavailable", 503, "53100", 1021, "HY000")
    REGION_BUSY = Codes(4009, "RegionBusy", 503, "53000", 1205, "HY000")
    REGION_NOT_FOUND = Codes(4005, "RegionNotFound", 400, "42P01", 1146, "42S02")
    STORAGE_UNAVAILABLE = Codes(5000, "StorageUnavailable", 503, "58030", 1030, "HY000")
    SHUTTING_DOWN = Codes(1009, "Suspended", 503, "57P01", 1053, "08S01")
    IDLE_IN_TRANSACTION = Codes(1008, "DeadlineExceeded", 504, "25P03", 4031, "HY000")
    IDLE_SESSION = Codes(1008, "DeadlineExceeded", 504, "57P05", 4031, "HY000")
    # The statement was ended on purpose.
    CANCELLED = Codes(1005, "Cancelled", 504, "57014", 1317, "70100")
    TIMEOUT = Codes(1008, "DeadlineExceeded", 504, "57014", 3024, "HY000")
    # Operators: look at the disk, or at our log.
    CORRUPTED = Codes(1002, "Unexpected", 500, "XX001", 1712, "HY000")
    INTERNAL = Codes(1003, "Internal", 500, "XX000", 1815, "HY000")

    # Two kinds may share all codes and still be told apart by code that handles them.
    def __new__(cls, *codes: Any) -> ErrorKind:
        """Gives every member its own value, so equal codes never make aliases."""
        member = object.__new__(cls)
        member._value_ = len(cls.__members__)
        member.codes = Codes(*codes)  # Enum spreads a tuple value over the arguments
        return member

    codes: Codes

    @property
    def retryable(self) -> bool:
        """True if the same request may succeed later without a change."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        ErrorKind.SERIALIZATION_FAILURE,
        ErrorKind.TOO_MANY_CONNECTIONS,
        ErrorKind.OUT_OF_MEMORY,
        ErrorKind.DISK_FULL,
        ErrorKind.REGION_BUSY,
        ErrorKind.STORAGE_UNAVAILABLE,
        ErrorKind.SHUTTING_DOWN,
    }
)


class DbError(Exception):
    """An error a client may see.

    `position` is the 1-based character offset in the statement's text, None when unknown.
    `mysql` are MySQL's errno and SQLSTATE where it tells apart by the statement what the kind
    does not (an unknown table that is to be dropped), None where the kind's own are right.
    `sqlstate` is PostgreSQL's if the kind's is not meant; `about` names what the error is of:
    schema, table, column, datatype, constraint, or the context it arose in (a line of COPY's).
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        sqlstate: str | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.sqlstate = sqlstate
        self.about: Mapping[str, str] = about or {}
        self.mysql: tuple[int, str] | None = None

    @property
    def codes(self) -> Codes:
        """The wire codes of this error: its kind's, or those it was given in their place."""
        codes = self.kind.codes
        if self.sqlstate is not None:
            codes = codes._replace(sqlstate=self.sqlstate)
        if self.mysql is None:
            return codes
        return codes._replace(errno=self.mysql[0], mysql_state=self.mysql[1])

    def __repr__(self) -> str:
        return f"DbError({self.kind.name}, {self.message!r})"
