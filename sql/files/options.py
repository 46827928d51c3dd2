"""What a COPY to or from files was told: its format, compression and how values look.

Read by sql/statements/copy_files.py. Two spellings mean different defaults: `FORMAT = 'csv'` is our
own (a header line by default, columns matched by name), `FORMAT csv` is PostgreSQL's (no header
line, columns by position).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.copy import copy_options
from sql.files.strftime import check_format
from sql.results import CopyFormat, CopyOptions


class FileFormat(Enum):
    """What is in a file."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"  # one object per line
    ORC = "orc"
    ARROW = "arrow"  # Arrow's IPC format: files and streams
    TEXT = "text"  # PostgreSQL's own format

    @property
    def is_delimited(self) -> bool:
        """True for lines of fields."""
        return self in (FileFormat.CSV, FileFormat.TEXT)

    @property
    def is_text(self) -> bool:
        """True if values are written as text, which may be compressed."""
        return self.is_delimited or self is FileFormat.JSON


class Compression(Enum):
    """How a text file is compressed; the value is the end of its name."""

    NONE = ""
    GZIP = ".gz"
    ZSTD = ".zst"
    BZIP2 = ".bz2"
    XZ = ".xz"


class Header(Enum):
    """What the first line of a delimited file is."""

    NONE = "none"  # a row
    NAMES = "names"  # names by which columns are found
    SKIPPED = "skipped"  # PostgreSQL's HEADER: looked over
    MATCH = "match"  # PostgreSQL's HEADER MATCH: must be the column list

    @property
    def finds_names(self) -> bool:
        """True if columns are found by name, false if by place."""
        return self is Header.NAMES


_CSV = CopyOptions(CopyFormat.CSV, ",", "")


@dataclass(frozen=True, slots=True)
class TimeFormats:
    """strftime patterns; None: ISO 8601."""

    timestamp: str | None = None
    date: str | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The options of one COPY; `start` and `end` are timestamps as text."""

    format: FileFormat
    compression: Compression | None = None  # None: what a file's name says
    header: Header = Header.NAMES
    delimited: CopyOptions = _CSV
    strict_headers: bool = False
    skip_bad_records: bool = False
    pattern: str | None = None
    start: str | None = None
    end: str | None = None
    times: TimeFormats = field(default_factory=TimeFormats)
    parallelism: int = 1
    continue_on_error: bool = False

    def compression_of(self, name: str) -> Compression:
        """How a file of that name is compressed."""
        if not self.format.is_text:
            return Compression.NONE
        return format_of(name)[1] if self.compression is None else self.compression


_SUFFIXES = {
    "parquet": FileFormat.PARQUET,
    "csv": FileFormat.CSV,
    "json": FileFormat.JSON,
    "ndjson": FileFormat.JSON,
    "jsonl": FileFormat.JSON,
    "orc": FileFormat.ORC,
    "arrow": FileFormat.ARROW,
    "feather": FileFormat.ARROW,
}
_COMPRESSIONS = {
    "gzip": Compression.GZIP,
    "gz": Compression.GZIP,
    "zstd": Compression.ZSTD,
    "zst": Compression.ZSTD,
    "bzip2": Compression.BZIP2,
    "bz2": Compression.BZIP2,
    "xz": Compression.XZ,
    "none": Compression.NONE,
    "uncompressed": Compression.NONE,
}
_TRUE = frozenset({"true", "on", "1", "yes"})
_FALSE = frozenset({"false", "off", "0", "no"})
# PostgreSQL's, read by sql/dialect/copy.py.
_DELIMITED = frozenset(
    {"delimiter", "null", "quote", "escape", "force_quote", "force_not_null", "force_null"}
)


@dataclass
class _Given:
    """The options as written, taken one by one."""

    values: dict[str, exp.Expr | None]
    used: set[str] = field(default_factory=set)

    def has(self, key: str) -> bool:
        return key in self.values

    def text(self, key: str) -> str | None:
        if key not in self.values:
            return None
        self.used.add(key)
        value = self.values[key]
        text = "true" if value is None else nodes.constant_text(value)
        if text is None:
            raise _bad(key, value.sql() if value is not None else "", "a constant")
        return text

    def flag(self, key: str, default: bool) -> bool:
        text = self.text(key)
        if text is None:
            return default
        if text.lower() not in _TRUE | _FALSE:
            raise _bad(key, text, "true or false")
        return text.lower() in _TRUE

    def read(self, key: str, read: Callable[[str], str]) -> str | None:
        text = self.text(key)
        return None if text is None else read(text)


def file_options(node: nodes.CopyStatement, path: str) -> FileOptions:
    """The options of a COPY to or from `path`.

    Raises: DbError SYNTAX for an unknown or repeated option, INVALID_ARGUMENT for a bad value,
    UNSUPPORTED for one that the format or the direction does not have.
    """
    given = _given(node)
    into, postgres = bool(node.args.get("into")), not node.args.get("assigned")
    format_, compression = _format(given, path)
    database = bool(node.args.get("database"))
    delimited = _delimited_options(given, format_)
    result = FileOptions(
        format=format_,
        compression=compression,
        header=_header(given, format_, postgres=postgres),
        delimited=delimited,
        strict_headers=given.flag("strict_headers", False),
        skip_bad_records=given.flag("skip_bad_records", False),
        pattern=given.read("pattern", _pattern),
        start=given.text("start_time"),
        end=given.text("end_time"),
        times=TimeFormats(*(given.read(f"{kind}_format", check_format) for kind in _KINDS)),
        parallelism=_parallelism(given),
        continue_on_error=given.flag("continue_on_error", False),
    )
    _check(given, result, into=into, database=database)
    return result


_KINDS = ("timestamp", "date", "time")


def _given(node: nodes.CopyStatement) -> _Given:
    values: dict[str, exp.Expr | None] = {}
    for option in node.args.get("options") or []:
        key = str(option.this)
        if key in values:
            raise DbError(ErrorKind.SYNTAX, f'option "{key}" is given twice')
        values[key] = option.args.get("expression")
    return _Given(values)


def _bad(key: str, text: str, expected: str) -> DbError:
    message = f'invalid value "{text}" for COPY option {key.upper()}'
    return DbError(ErrorKind.INVALID_ARGUMENT, message, hint=f"expected {expected}")


def format_of(path: str) -> tuple[FileFormat | None, Compression]:
    """What a file's name promises."""
    *_, name = path.lower().split("/")
    found = next((c for c in Compression if c.value and name.endswith(c.value)), Compression.NONE)
    stem = name.removesuffix(found.value)
    _, dot, suffix = stem.rpartition(".")
    return _SUFFIXES.get(suffix) if dot else None, found


def _format(given: _Given, path: str) -> tuple[FileFormat, Compression | None]:
    promised, _ = format_of(path)
    text = given.text("format")
    if text is None:
        format_ = promised or FileFormat.PARQUET
    elif text.lower() in {one.value for one in FileFormat}:
        format_ = FileFormat(text.lower())
    else:
        raise _bad("format", text, "parquet, csv, json, orc, arrow or text")
    named = given.text("compression_type")
    if named is None:
        return format_, None
    if named.lower() not in _COMPRESSIONS:
        raise _bad("compression_type", named, "gzip, zstd, bzip2, xz or none")
    compression = _COMPRESSIONS[named.lower()]
    if compression is not Compression.NONE and not format_.is_text:
        raise _not_for("compression_type", format_)
    return format_, compression


def _not_for(key: str, format_: FileFormat) -> DbError:
    message = f"COPY option {key.upper()} is not available for format {format_.value}"
    return DbError(ErrorKind.UNSUPPORTED, message)


def _delimited_options(given: _Given, format_: FileFormat) -> CopyOptions:
    kind = CopyFormat.TEXT if format_ is FileFormat.TEXT else CopyFormat.CSV
    chosen = [nodes.Option(this="format", expression=exp.var(kind.value))]
    for key in sorted(_DELIMITED | {"encoding", "freeze"}):
        if given.has(key):
            if not format_.is_delimited:
                raise _not_for(key, format_)
            given.used.add(key)
            chosen.append(nodes.Option(this=key, expression=given.values[key]))
    return copy_options(nodes.CopyStatement(options=chosen))


def _header(given: _Given, format_: FileFormat, *, postgres: bool) -> Header:
    for key in ("header", "headers", "strict_headers", "skip_bad_records"):
        if given.has(key) and not format_.is_delimited:
            raise _not_for(key, format_)
    if given.has("headers"):
        return Header.NAMES if given.flag("headers", True) else Header.NONE
    text = (given.text("header") or "").lower()
    if text == "match":
        return Header.MATCH
    if given.has("header"):
        named = Header.SKIPPED if postgres else Header.NAMES
        return named if given.flag("header", True) else Header.NONE
    # No options at all is our own spelling: PostgreSQL's has at least a format for CSV.
    return Header.NONE if postgres and given.values else Header.NAMES


def _pattern(text: str) -> str:
    try:
        pc.match_substring_regex(pa.array([""]), text)
    except pa.ArrowInvalid as error:
        raise _bad("pattern", text, "a regular expression") from error
    return text


def _parallelism(given: _Given) -> int:
    text = given.text("parallelism")
    if text is None:
        return 1
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise _bad("parallelism", text, "a number from 1 to 9999")
    return int(text)


def _check(given: _Given, options: FileOptions, *, into: bool, database: bool) -> None:
    """What does not go together, and what nobody asked for."""
    # How many rows a peer looks at to guess types: ours are the table's.
    unknown = sorted(given.values.keys() - given.used - {"schema_infer_max_record"})
    if unknown:
        raise DbError(ErrorKind.SYNTAX, f'COPY option "{unknown[0]}" not recognized')
    only_in = ("pattern", "strict_headers", "skip_bad_records")
    only_out = tuple(f"{kind}_format" for kind in _KINDS)
    for key in only_out if into else only_in:
        if given.has(key):
            other = "TO" if into else "FROM"
            message = f"COPY option {key.upper()} is available in COPY {other} only"
            raise DbError(ErrorKind.UNSUPPORTED, message)
    for key in () if database else ("parallelism", "continue_on_error"):
        if given.has(key):
            message = f"COPY option {key.upper()} is available in COPY DATABASE only"
            raise DbError(ErrorKind.UNSUPPORTED, message)
    if options.format in (FileFormat.ORC, FileFormat.ARROW) and not into:
        name = options.format.value.upper()
        raise DbError(ErrorKind.UNSUPPORTED, f"COPY TO cannot write {name}", hint="use parquet")
    if not options.format.is_text and any(given.has(key) for key in only_out):
        raise _not_for(next(key for key in only_out if given.has(key)), options.format)
    if options.strict_headers and options.header is not Header.NAMES:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "STRICT_HEADERS needs HEADERS = 'true'")
