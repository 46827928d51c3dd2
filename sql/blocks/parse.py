"""The text of PL/pgSQL as steps: DO blocks, functions and procedures.

Called by run.py and sql/routines/. Statements of SQL are cut out, not read: that is done when they
are run, with the variables there are then. What is not known is refused by name.
https://www.postgresql.org/docs/15/plpgsql-structure.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from engine.errors import DbError, ErrorKind
from sql.blocks.reader import Reader, reader_of
from sql.blocks.steps import (
    Assertion,
    Assign,
    Block,
    Declaration,
    Diagnostics,
    Exit,
    ForRange,
    ForRows,
    If,
    Loop,
    Raise,
    Return,
    ReturnQuery,
    Sql,
    Step,
    UseCursor,
)

LEVELS = ("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "EXCEPTION")
_REFUSED = ("COMMIT", "ROLLBACK")
_ENDS = ("END", "ELSE", "ELSIF", "ELSEIF", "EXCEPTION", "WHEN")

_NESTED_MAX = 100


@lru_cache(200)
def parse_block(source: str) -> Block:
    """The whole block. Raises: DbError SYNTAX, UNSUPPORTED."""
    reader = reader_of(source)
    block = _labelled_block(reader)
    reader.take(";")
    if reader.word():
        raise DbError(ErrorKind.SYNTAX, f'syntax error at or near "{reader.word()}"')
    return block


def _labelled_block(reader: Reader) -> Block:
    label = _label(reader)
    if reader.word() not in ("DECLARE", "BEGIN"):
        raise reader.unexpected("BEGIN")
    return _block(reader, label)


def _label(reader: Reader) -> str:
    if not reader.take("<<"):
        return ""
    name = reader.name()
    reader.need(">>")
    return name


def _block(reader: Reader, label: str) -> Block:
    """DECLARE …, BEGIN and what follows, with its END."""
    declarations: list[Declaration] = []
    while reader.take("DECLARE"):
        while reader.word() not in ("BEGIN", "DECLARE"):
            declarations.append(_declaration(reader))
    reader.need("BEGIN")
    steps = _steps(reader)
    handlers = []
    if reader.take("EXCEPTION"):
        if reader.word() != "WHEN":
            raise reader.unexpected("WHEN")
        while reader.take("WHEN"):
            conditions = [_condition(reader)]
            while reader.take("OR"):
                conditions.append(_condition(reader))
            reader.need("THEN")
            handlers.append((tuple(conditions), _steps(reader)))
    reader.need("END")
    if label and reader.word() != ";":
        reader.next()
    return Block(steps, tuple(handlers), tuple(declarations), label)


def _declaration(reader: Reader) -> Declaration:
    name = reader.name()
    if reader.take("ALIAS", "FOR"):
        alias = reader.name()
        reader.need(";")
        return Declaration(name, "", alias=alias)
    constant = reader.take("CONSTANT")
    scrolls = reader.take("NO", "SCROLL") or reader.take("SCROLL")
    if reader.take("CURSOR"):
        if reader.word() == "(":
            raise DbError(ErrorKind.UNSUPPORTED, "cursors with arguments are not supported")
        if not reader.take("FOR"):
            reader.need("IS")
        query = reader.until(";")
        reader.need(";")
        return Declaration(name, "refcursor", cursor=query)
    if scrolls:
        raise reader.unexpected("CURSOR")
    kind = reader.until(":=", "=", "DEFAULT", "NOT", "COLLATE", ";")
    if reader.take("COLLATE"):
        reader.name()
    _ = reader.take("NOT", "NULL")
    default = ""
    if reader.take(":=") or reader.take("=") or reader.take("DEFAULT"):
        default = reader.until(";")
    reader.need(";")
    return Declaration(name, kind, default, constant=constant)


def _condition(reader: Reader) -> str:
    """A condition's name in lower case, or a SQLSTATE."""
    if reader.take("SQLSTATE"):
        return _string(reader)
    return reader.name()


def _steps(reader: Reader) -> tuple[Step, ...]:
    found: list[Step] = []
    reader.depth += 1
    if reader.depth > _NESTED_MAX:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "the block is nested too deeply")
    while reader.word() and reader.word() not in _ENDS:
        step = _step(reader)
        if step is not None:
            found.append(step)
            reader.need(";")
    reader.depth -= 1
    return tuple(found)


def _step(reader: Reader) -> Step | None:
    """The next step without the semicolon behind it; None for NULL, which is taken whole."""
    if reader.take("NULL", ";"):
        return None
    if reader.word() in _REFUSED:
        raise DbError(ErrorKind.UNSUPPORTED, f"{reader.word()} in a block is not supported")
    label = _label(reader)
    if reader.word() in ("BEGIN", "DECLARE"):
        return _block(reader, label)
    maker = _MAKERS.get(reader.word())
    if maker is not None and reader.word(1) not in (":=", "=", "."):
        reader.at += 1
        return maker(reader, label)
    if label:
        raise reader.unexpected("a loop or a block")
    return _assign(reader) or _statement(reader)


def _assign(reader: Reader) -> Assign | None:
    """`target := value`; `=` will do, where no statement can begin so."""
    ahead, depth = 0, 0
    while (word := reader.word(ahead)) and (depth or word not in (":=", "=", ";")):
        if depth == 0 and ahead and word not in (".", "[", "(") and reader.word(ahead - 1) != ".":
            return None
        depth += (word == "[") - (word == "]")
        ahead += 1
    if reader.word(ahead) not in (":=", "="):
        return None
    target = reader.between(reader.at, reader.at + ahead)
    reader.at += ahead + 1
    return Assign(target, reader.until(";"))


def _statement(reader: Reader, prefix: str = "", ends: tuple[str, ...] = (";",)) -> Sql:
    """A statement of SQL, its INTO cut out."""
    first = reader.at
    before = reader.up_to(
        lambda piece: (
            piece.upper in ends
            or (piece.upper == "INTO" and reader.word(-1) not in ("INSERT", "MERGE"))
        )
    )
    if not before and reader.at == first:
        raise reader.unexpected("a statement")
    into, strict = _into(reader)
    rest = reader.until(*ends)
    return Sql(f"{prefix}{before} {rest}".strip(), into=into, strict=strict)


def _into(reader: Reader) -> tuple[tuple[str, ...], bool]:
    """`INTO [STRICT] targets`, if it stands here."""
    if not reader.take("INTO"):
        return (), False
    strict = reader.take("STRICT")
    targets = [_target(reader)]
    while reader.take(","):
        targets.append(_target(reader))
    return tuple(targets), strict


def _target(reader: Reader) -> str:
    first = reader.at
    reader.next()
    while reader.word() in (".", "["):
        if reader.next() == "[":
            reader.until("]")
        reader.next()
    return reader.between(first, reader.at)


def _perform(reader: Reader, label: str) -> Step:
    return _statement(reader, "SELECT ")


def _execute(reader: Reader, label: str) -> Sql:
    return _dynamic(reader, ";")


def _dynamic(reader: Reader, *ends: str) -> Sql:
    """EXECUTE text [INTO [STRICT] targets] [USING values], in either order."""
    text = reader.until("INTO", "USING", *ends)
    into, strict = _into(reader)
    using = reader.list_until("INTO", *ends) if reader.take("USING") else ()
    if not into:
        into, strict = _into(reader)
    return Sql(text, is_dynamic=True, into=into, strict=strict, using=using)


def _query(reader: Reader, *ends: str) -> Sql:
    """A query, or EXECUTE of one."""
    if reader.take("EXECUTE"):
        return _dynamic(reader, *ends)
    return Sql(reader.until(*ends))


def _if(reader: Reader, label: str) -> If:
    branches = []
    while True:
        condition = reader.until("THEN")
        reader.need("THEN")
        branches.append((condition, _steps(reader)))
        if not (reader.take("ELSIF") or reader.take("ELSEIF")):
            break
    if reader.take("ELSE"):
        branches.append(("true", _steps(reader)))
    reader.need("END", "IF")
    return If(tuple(branches))


def _case(reader: Reader, label: str) -> If:
    subject = "" if reader.word() == "WHEN" else reader.until("WHEN")
    branches = []
    while reader.take("WHEN"):
        if subject:
            values = reader.list_until("THEN")
            condition = f"({subject}) IN ({', '.join(values)})"
        else:
            condition = reader.until("THEN")
        reader.need("THEN")
        branches.append((condition, _steps(reader)))
    if reader.take("ELSE"):
        branches.append(("true", _steps(reader)))
    reader.need("END", "CASE")
    return If(tuple(branches), is_case=True)


def _body(reader: Reader, label: str) -> tuple[Step, ...]:
    """LOOP … END LOOP [label]."""
    reader.need("LOOP")
    steps = _steps(reader)
    reader.need("END", "LOOP")
    if reader.word() != ";":
        reader.next()
    return steps


def _loop(reader: Reader, label: str) -> Loop:
    reader.at -= 1
    return Loop(_body(reader, label), label=label)


def _while(reader: Reader, label: str) -> Loop:
    condition = reader.until("LOOP")
    return Loop(_body(reader, label), condition, label)


def _for(reader: Reader, label: str) -> Step:
    targets = [_target(reader)]
    while reader.take(","):
        targets.append(_target(reader))
    reader.need("IN")
    reverse = reader.take("REVERSE")
    start = reader.at
    low = reader.until("..", "LOOP")
    if reader.take(".."):
        high = reader.until("BY", "LOOP")
        by = reader.until("LOOP") if reader.take("BY") else "1"
        return ForRange(targets[0].lower(), low, high, by, reverse, _body(reader, label), label)
    reader.at = start
    query = _query(reader, "LOOP")
    return ForRows(tuple(targets), query, _body(reader, label), label)


def _foreach(reader: Reader, label: str) -> Step:
    target = _target(reader)
    if reader.word() == "SLICE":
        raise DbError(ErrorKind.UNSUPPORTED, "FOREACH … SLICE is not supported")
    reader.need("IN", "ARRAY")
    query = Sql(f"SELECT unnest({reader.until('LOOP')})")
    return ForRows((target,), query, _body(reader, label), label)


def _exit(reader: Reader, label: str) -> Exit:
    again = reader.word(-1) == "CONTINUE"
    name = reader.name() if reader.word() not in ("WHEN", ";") else ""
    condition = reader.until(";") if reader.take("WHEN") else ""
    return Exit(again, name, condition)


def _return(reader: Reader, label: str) -> Step:
    if reader.take("QUERY"):
        return ReturnQuery(_query(reader, ";"))
    more = reader.take("NEXT")
    return Return(reader.until(";"), more)


def _get(reader: Reader, label: str) -> Diagnostics:
    _ = reader.take("CURRENT") or reader.take("STACKED")
    reader.need("DIAGNOSTICS")
    items = []
    while True:
        target = _target(reader)
        if not reader.take(":="):
            reader.need("=")
        items.append((target, reader.next().upper()))
        if not reader.take(","):
            return Diagnostics(tuple(items))


def _assert(reader: Reader, label: str) -> Assertion:
    found = reader.list_until(";")
    return Assertion(found[0], found[1] if len(found) > 1 else "")


def _cursor(reader: Reader, label: str) -> UseCursor:
    verb = reader.word(-1)
    if verb in ("FETCH", "MOVE"):
        _ = reader.take("NEXT") or reader.take("FORWARD")
        _ = reader.take("FROM") or reader.take("IN")
    name = reader.name()
    query: Sql | None = None
    targets: tuple[str, ...] = ()
    if verb == "OPEN":
        _ = reader.take("NO", "SCROLL") or reader.take("SCROLL")
        query = _query(reader, ";") if reader.take("FOR") else None
    elif verb == "FETCH":
        targets, _ = _into(reader)
    return UseCursor(verb, name, query, targets)


def _raise(reader: Reader, label: str) -> Raise:
    if reader.word() == ";":
        return Raise("EXCEPTION", again=True)
    level = reader.word()
    if level in LEVELS:
        reader.at += 1
    else:
        level = "EXCEPTION"
    condition, text = "", None
    arguments: tuple[str, ...] = ()
    if reader.take("SQLSTATE"):
        condition = _string(reader)
    elif reader.word().startswith("'"):
        text = _string(reader)
        arguments = reader.list_until("USING", ";") if reader.take(",") else ()
    elif reader.word() not in ("USING", ";"):
        condition = reader.name()
    options: list[tuple[str, str]] = []
    while reader.take("USING" if not options else ","):
        name = reader.next().upper()
        if not reader.take("="):
            reader.need(":=")
        options.append((name, reader.until(",", ";")))
    return Raise(level, condition, text, arguments, tuple(options))


def _string(reader: Reader) -> str:
    text = reader.pieces[reader.at].text if reader.at < len(reader.pieces) else ""
    if not text.startswith("'"):
        raise DbError(ErrorKind.SYNTAX, f'syntax error at or near "{text}": expected a string')
    reader.at += 1
    return text[1:-1].replace("''", "'")


_MAKERS: dict[str, Callable[[Reader, str], Step]] = {
    "RAISE": _raise,
    "IF": _if,
    "CASE": _case,
    "LOOP": _loop,
    "WHILE": _while,
    "FOR": _for,
    "FOREACH": _foreach,
    "EXIT": _exit,
    "CONTINUE": _exit,
    "RETURN": _return,
    "PERFORM": _perform,
    "EXECUTE": _execute,
    "GET": _get,
    "ASSERT": _assert,
    "OPEN": _cursor,
    "FETCH": _cursor,
    "MOVE": _cursor,
    "CLOSE": _cursor,
}
