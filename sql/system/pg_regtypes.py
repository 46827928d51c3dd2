"""regclass, regtype and their kin: OIDs that look like names, as expressions DuckDB understands.

Called by pg_rewrites.py and pg_functions.py. An object's OID is found by its name (and its name by
its OID) in the helper relations of pg_catalog/lookups.py, when the statement runs; names of types
are known here.
"""

from __future__ import annotations

import re

from sqlglot import exp

from sql.system.pg_catalog.keys import quote
from sql.system.pg_catalog.lookups import RELATIONS, TEXTS, Kind
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import BY_NAME, BY_OID, IO_FUNCTIONS
from sql.system.pg_catalog.types import TYPES as BUILT_IN
from sql.system.pg_catalog.user_types import TYPES
from sql.user_types import FIRST_OID

REG_TYPES = frozenset(
    {"regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"}
    | {"regoper", "regoperator", "regdictionary", "regcollation"}
)
_TEXTS = frozenset({"quote_ident", "format", "format_type", "pg_typeof"})
_FUNCTIONS = ("regproc", "regprocedure")
_OID = "oid"  # the number that a text was made of, in its node's meta
# Spellings that are neither a type's own name nor what format_type() prints.
_TYPE_ALIASES = {
    "int": "int4",
    "decimal": "numeric",
    "float": "float8",
    "string": "text",
    "dec": "numeric",
    "char": "bpchar",
    '"char"': "char",
    "serial": "int4",
    "bigserial": "int8",
}
TYPE_OIDS = {
    **{t.spelled: t.oid for t in BUILT_IN},
    **{t.name: t.oid for t in BUILT_IN},
    **{alias: BY_NAME[name].oid for alias, name in _TYPE_ALIASES.items()},
    **{f"{alias}[]": BY_NAME[name].array for alias, name in _TYPE_ALIASES.items()},
    **{f"{t.name}[]": t.array for t in BUILT_IN if t.array},
}


def text_of(kind: Kind, oid: exp.Expr, sub: exp.Expr | None = None) -> exp.Expr:
    """A subquery: what is said of an object; NULL if nothing."""
    return exp.Subquery(
        this=exp.select("_text")
        .from_(helper(TEXTS))
        .where(
            exp.column("_kind").eq(exp.Literal.string(kind.value)),
            exp.EQ(this=exp.column("_oid"), expression=_number(oid)),
            exp.EQ(this=exp.column("_sub"), expression=sub or exp.Literal.number(0)),
        )
    )


def relation(column: str, oid: exp.Expr, listing: str = RELATIONS) -> exp.Expr:
    """A subquery: a column of a helper relation, for one OID."""
    same = exp.EQ(this=exp.column("_oid"), expression=_number(oid))
    return exp.Subquery(this=exp.select(column).from_(helper(listing)).where(same))


def helper(name: str) -> exp.Table:
    """A helper relation, to select from."""
    return exp.Table(
        this=exp.to_identifier(name, quoted=True),
        db=exp.to_identifier("pg_catalog", quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)),
    )


def _number(oid: exp.Expr) -> exp.Expr:
    """An OID argument: literals may come as strings, parameters as anything."""
    if oid.is_string or isinstance(oid, exp.Parameter | exp.Placeholder):
        return exp.cast(oid.copy(), exp.DType.BIGINT)
    return oid.copy()


def is_text(node: exp.Expr) -> bool:
    """True if an argument is a name, not a number: what decides regclass's direction."""
    if isinstance(node, exp.Paren):
        return is_text(node.this)
    if isinstance(node, exp.Subquery):  # what `text_of` made of a function
        items = node.this.expressions
        return len(items) == 1 and isinstance(items[0], exp.Column) and items[0].name == "_text"
    if node.is_string:
        return not node.name.isdigit()
    if isinstance(node, exp.Cast):
        return node.to.this in exp.DataType.TEXT_TYPES
    if isinstance(node, exp.Column):
        return node.name.lower().endswith("name")
    texts = (exp.DPipe, exp.Concat, exp.Parameter, exp.Placeholder, exp.Format, exp.Lower)
    return isinstance(node, texts) or (
        isinstance(node, exp.Anonymous) and node.name.lower() in _TEXTS
    )


def to_oid(kind: str, value: exp.Expr, *, strict: bool = True) -> exp.Expr:
    """`value::regclass` and the like as a number.

    `strict`: a name that nothing has is an error (a cast), else NULL (the to_reg… functions).
    """
    if not is_text(value):
        return _number(value)
    if kind == "regtype":
        return _type_oid(value, strict)
    if kind == "regclass":
        return _relation_oid(value, strict)
    if kind in _FUNCTIONS:
        return _named_oid(Kind.FUNCTION, value)
    if kind in ("regnamespace", "regrole"):
        return _named_oid(Kind.NAMESPACE if kind == "regnamespace" else Kind.ROLE, value)
    return exp.Literal.number(0)


def to_text(kind: str, value: exp.Expr) -> exp.Expr:
    """`value::regclass` and the like as PostgreSQL prints it."""
    if kind == "regclass" and value.is_string and is_text(value):
        return _relation_named(value, "max(_shown)", exp.DType.TEXT)
    oid = to_oid(kind, value)
    if kind == "regtype":
        return type_name(oid, exp.null())
    if kind == "regclass":
        found = relation("_shown", oid)
    elif kind in _FUNCTIONS:
        found = text_of(Kind.FUNCTION if kind == "regproc" else Kind.PROCEDURE, oid)
    elif kind in ("regnamespace", "regrole"):
        found = text_of(Kind.NAMESPACE if kind == "regnamespace" else Kind.ROLE, oid)
    else:
        return exp.Literal.string("-")
    zero = exp.EQ(this=oid.copy(), expression=exp.Literal.number(0))
    number = exp.case().when(zero, "'-'").else_(exp.cast(oid.copy(), "TEXT"))  # NULL stays NULL
    made = exp.Coalesce(this=found, expressions=[number])
    if kind == "regclass":
        made.meta[_OID] = oid
    return made


def _named_oid(kind: Kind, value: exp.Expr) -> exp.Expr:
    if kind is Kind.FUNCTION and value.is_string:
        return _function_oid(value.name)
    query = exp.select("min(_oid)").from_(helper(TEXTS))
    same = exp.EQ(this=exp.column("_text"), expression=value.copy())
    return exp.Subquery(
        this=query.where(exp.column("_kind").eq(exp.Literal.string(kind.value)), same)
    )


def _function_oid(text: str) -> exp.Expr:
    """The OID of a function by its name, with types behind it or without; 0 if there is none."""
    name, _, types = text.partition("(")
    bare = name.strip().rpartition(".")[2].strip('"')
    if bare in IO_FUNCTIONS:
        return exp.Literal.number(IO_FUNCTIONS[bare])
    kind, wanted = Kind.FUNCTION, bare
    if types:
        names = [part.strip() for part in types.rstrip(") ").split(",") if part.strip()]
        spelled = [BY_OID[oid].spelled if (oid := type_oid(one)) else one for one in names]
        kind, wanted = Kind.PROCEDURE, f"{bare}({','.join(spelled)})"
    query = exp.select("coalesce(min(_oid), 0)").from_(helper(TEXTS))
    same = exp.column("_text").eq(exp.Literal.string(wanted))
    return exp.Subquery(
        this=query.where(exp.column("_kind").eq(exp.Literal.string(kind.value)), same)
    )


# --- Types ----------------------------------------------------------------------------------------


def _type_oid(value: exp.Expr, strict: bool) -> exp.Expr:
    if not value.is_string:
        built_in = exp.Anonymous(this="_pg_to_regtype", expressions=[value.copy()])
        return exp.Coalesce(this=built_in, expressions=[_user_type_oid(value)])
    oid = type_oid(value.name)
    if oid is not None:
        return exp.Literal.number(oid)
    parts = identifier_parts(value.name.removesuffix("[]"))
    array = "[]" if value.name.endswith("[]") else ""
    name = ".".join(quote(part) for part in parts[-2:]) + array
    found = _user_type_oid(exp.Literal.string(name))
    if not strict:
        return found
    message = exp.Literal.string(f'type "{value.name}" does not exist')
    error = exp.cast(exp.Anonymous(this="error", expressions=[message]), exp.DType.BIGINT)
    return exp.Coalesce(this=found, expressions=[error])


def _user_type_oid(value: exp.Expr) -> exp.Expr:
    """A subquery: the OID of the type of users' that has the name."""
    text = exp.cast(value.copy(), "TEXT")
    bare = exp.and_(exp.column("_visible"), exp.column("_bare").eq(text))
    query = exp.select("min(_oid)").from_(helper(TYPES))
    return exp.Subquery(this=query.where(exp.or_(bare, exp.column("_qualified").eq(text.copy()))))


def type_name(oid: exp.Expr, modifier: exp.Expr) -> exp.Expr:
    """What format_type() says, of users' types too."""
    built_in = exp.Anonymous(this="_pg_format_type", expressions=[oid.copy(), modifier])
    own = exp.GTE(this=_number(oid), expression=exp.Literal.number(FIRST_OID))
    found = exp.Coalesce(
        this=relation("_shown", oid, TYPES), expressions=[exp.Literal.string("???")]
    )
    return exp.paren(exp.case().when(own, found).else_(built_in))


def type_oid(name: str) -> int | None:
    """The OID of the type of that name, in any of its spellings; lengths are ignored.

    >>> type_oid("pg_catalog.int4[]"), type_oid("Character Varying(20)"), type_oid("nope")
    (1007, 1043, None)
    """
    bare = re.sub(r'^(?:pg_catalog|"pg_catalog")\.', "", " ".join(name.strip().lower().split()))
    bare = re.sub(r"\s*\([\d\s,]*\)", "", bare)
    return TYPE_OIDS.get(bare) or TYPE_OIDS.get(bare.replace('"', ""))


# --- Relations ------------------------------------------------------------------------------------


def _relation_oid(value: exp.Expr, strict: bool) -> exp.Expr:
    bare = value
    while isinstance(bare, exp.Cast | exp.Paren):
        bare = bare.this
    if (oid := bare.meta.get(_OID)) is not None:  # back from the text it has just become
        return exp.Paren(this=oid.copy())
    if not value.is_string:
        found = _relation_of_text(value)
        if not strict or not isinstance(value, exp.Parameter):
            return found
        quoted = exp.Literal.string('"')
        message = [exp.Literal.string("relation "), quoted, _as_text(value), quoted.copy()]
        return _or_missing(found, [*message, exp.Literal.string(" does not exist")])
    parts = identifier_parts(value.name)
    if parts[-1] in SHAPES and parts[:-1] in ([], ["pg_catalog"]):
        return exp.Literal.number(SHAPES[parts[-1]].oid)
    return _relation_named(value, "min(_oid)", exp.DType.BIGINT if strict else None)


def _relation_named(value: exp.Expr, wanted: str, strict: exp.DType | None) -> exp.Expr:
    """What is wanted of the relation of a literal name; `strict` is its type, None: may be NULL."""
    parts = identifier_parts(value.name)
    shown = exp.Literal.string(".".join(quote(part) for part in parts[-2:]))
    query = exp.select(wanted).from_(helper(RELATIONS))
    if len(parts) == 1:
        query = query.where(exp.column("_visible"))
    column = exp.column("_bare" if len(parts) == 1 else "_qualified")
    found = exp.Subquery(this=query.where(exp.EQ(this=column, expression=shown)))
    if strict is None:
        return found
    return _or_missing(
        found, [exp.Literal.string(f'relation "{value.name}" does not exist')], strict
    )


def _or_missing(
    found: exp.Expr, message: list[exp.Expr], type_: exp.DType = exp.DType.BIGINT
) -> exp.Expr:
    """What was found, or the error that nothing was."""
    said = exp.Anonymous(this="concat", expressions=message)
    error = exp.cast(exp.Anonymous(this="error", expressions=[said]), type_)
    return exp.Coalesce(this=found, expressions=[error])


def _as_text(value: exp.Expr) -> exp.Expr:
    return exp.cast(value.copy(), "TEXT")


def _relation_of_text(value: exp.Expr) -> exp.Expr:
    """The OID of a relation whose name is computed; a number as text is taken as the OID."""
    # The text is worked out once: it may be a query of its own, with such texts in it.
    given = exp.select(exp.alias_(_as_text(value), "_given"))
    wanted = exp.column("_given")
    text: exp.Expr = exp.Anonymous(this="_pg_plain_name", expressions=[wanted])
    bare = exp.and_(exp.column("_visible"), exp.column("_bare").eq(text))
    qualified = exp.column("_qualified").eq(text)
    number = _as_text(exp.column("_oid")).eq(wanted)
    query = exp.select("min(_oid)").from_(helper(RELATIONS)).join(given.subquery("_wanted"))
    return exp.Subquery(this=query.where(exp.or_(bare, qualified, number)))


def identifier_parts(text: str) -> list[str]:
    """A possibly qualified, possibly quoted name as its parts; unquoted ones in lower case.

    >>> identifier_parts('public."Odd.One"'), identifier_parts("CPU")
    (['public', 'Odd.One'], ['cpu'])
    """
    found = re.findall(r'"((?:[^"]|"")*)"|([^".\s]+)', text)
    parts = [quoted.replace('""', '"') if quoted else bare.lower() for quoted, bare in found]
    return parts or [text]
