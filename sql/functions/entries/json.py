"""Functions of JSON: GreptimeDB's, PostgreSQL's and MySQL's."""

from __future__ import annotations

from sql.functions.registry import MYSQL, POSTGRES, Function, Kind
from sql.functions.registry import function as f
from sql.functions.rewrites import json, json_changes

CATEGORY = "JSON"
_DOC = '{"a": {"b": [1, 2, 3]}, "s": "x"}'
_TYPE = "json_type(CAST(j AS JSON))"
_BUILT = "The object of keys and values given in turn."


def _is(name: str, types: str, text: str, ok: bool = True) -> Function:
    return f(
        f"json_is_{name}(j json) -> boolean", f"True if the value is {text}.",
        f"(j) AS json_type(CAST(j AS JSON)) IN ({types})",
        ex={f"json_is_{name}('{_SAMPLES[name]}')": True, f"json_is_{name}('{{}}')":
            name == "object"},
    )  # fmt: skip


_SAMPLES = {"null": "null", "bool": "true", "int": "1", "float": "1.5", "string": '"x"',
            "object": "{}", "array": "[1]"}  # fmt: skip


def _get(name: str, returns: str, doc: str, cast: str, example: object, path: str) -> Function:
    return f(
        f"json_get_{name}(j json, path text) -> {returns}", doc, json.getter(cast),
        ex={f"json_get_{name}('{_DOC}', '{path}')": example},
    )  # fmt: skip


# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("parse_json(text text) -> json", "The text as a JSON value.",
      "(s) AS json(CAST(s AS VARCHAR))", ex={"json_to_string(parse_json('{\"a\": 1}'))": '{"a":1}'}),
    f("json_to_string(j json) -> text", "The value as text, without spaces.",
      "(j) AS CAST(json(CAST(j AS VARCHAR)) AS VARCHAR)",
      ex={"json_to_string('{\"a\": [1, 2]}')": '{"a":[1,2]}'}),
    f("json_get(j json, path text) -> json", "The value at a path; NULL without one.",
      json.getter("JSON"), ex={f"json_to_string(json_get('{_DOC}', 'a.b'))": "[1,2,3]",
                               f"json_to_string(json_get('{_DOC}', '$.a.b[last]'))": "3",
                               f"json_get('{_DOC}', '$.nothing')": None}),
    _get("int", "bigint", "The whole number at a path.", "BIGINT", 2, "$.a.b[1]"),
    _get("float", "double precision", "The number at a path.", "DOUBLE", 1.0, "a.b[0]"),
    _get("bool", "boolean", "The truth value at a path.", "BOOLEAN", None, "$.s"),
    _get("string", "text", "The text at a path, without quotes.", "VARCHAR", "x", '$["s"]'),
    _get("object", "json", "The object at a path.", "OBJECT", '{"b":[1,2,3]}', "a"),
    f("json_object_keys(j json) -> text[]", "The keys of an object.",
      f"(j) AS CASE WHEN {_TYPE} = 'OBJECT' THEN json_keys(CAST(j AS JSON)) END",
      "jsonb_object_keys", ex={"json_object_keys('{\"a\": 1, \"b\": 2}')": ["a", "b"],
                               "json_object_keys('[1]')": None}),
    _is("null", "'NULL'", "null"),
    _is("bool", "'BOOLEAN'", "true or false"),
    _is("int", "'BIGINT', 'UBIGINT'", "a whole number"),
    _is("float", "'DOUBLE', 'BIGINT', 'UBIGINT'", "a number"),
    _is("string", "'VARCHAR'", "a string"),
    _is("object", "'OBJECT'", "an object"),
    _is("array", "'ARRAY'", "an array"),
    f("json_path_exists(j json, path text) -> boolean", "True if something is at the path.",
      json.path_exists, "jsonb_path_exists",
      ex={f"json_path_exists('{_DOC}', '$.a')": True, f"json_path_exists('{_DOC}', '$.b')": False,
          f"json_path_exists('{_DOC}', '$.a.b[*] ? (@ > 2)')": True}),
    f("json_path_match(j json, predicate text) -> boolean",
      "True if the predicate of JSON paths holds.", json.path_match, "jsonb_path_match",
      ex={f"json_path_match('{_DOC}', '$.s == \"x\"')": True,
          f"json_path_match('{_DOC}', '$.a.b[1 to last] >= 4')": False}),
    f("json_object(key text, value any, ...) -> json", _BUILT, json.build_object,
      ex={"json_to_string(json_object('a', 1, 'b', NULL))": '{"a":1,"b":null}'}),
    f("json_build_object(key text, value any, ...) -> json", _BUILT, json.build_object,
      "jsonb_build_object", wires=POSTGRES, ex={"json_build_object('a', 1)::text": '{"a":1}'}),
    f("json_array(value any, ...) -> json", "The array of the values.", "json_array",
      "json_build_array", "jsonb_build_array", ex={"json_array(1, 'a')": '[1,"a"]'}),
    f("to_json(value any) -> json", "Any value as JSON.", "to_json", "to_jsonb", "row_to_json",
      wires=POSTGRES, ex={"to_json('a'::text)::text": '"a"'}),
    f("json_typeof(j json) -> text", "object, array, string, number, boolean or null.",
      f"(j) AS CASE {_TYPE} WHEN 'VARCHAR' THEN 'string' WHEN 'BIGINT' THEN 'number' WHEN"
      f" 'UBIGINT' THEN 'number' WHEN 'DOUBLE' THEN 'number' ELSE lower({_TYPE}) END",
      "jsonb_typeof", wires=POSTGRES, ex={"json_typeof('[1]')": "array",
                                          "jsonb_typeof('1.5')": "number"}),
    f("json_array_length(j json) -> bigint", "The number of an array's values.",
      "(j) AS json_array_length(CAST(j AS JSON))", "jsonb_array_length", wires=POSTGRES,
      ex={"json_array_length('[1,2]')": 2}),
    f("json_extract_path(j json, key text, ...) -> json", "The value below these keys.",
      json.extract_path, "jsonb_extract_path", wires=POSTGRES,
      ex={f"json_extract_path('{_DOC}', 'a', 'b', '0')::text": "1"}),
    f("json_extract_path_text(j json, key text, ...) -> text", "The value below these keys as text.",
      json.extract_path_text, "jsonb_extract_path_text", wires=POSTGRES,
      ex={f"json_extract_path_text('{_DOC}', 's')": "x"}),
    f("json_strip_nulls(j json) -> json", "Without the fields that are null.",
      "(j) AS json_merge_patch('{}', CAST(j AS JSON))", "jsonb_strip_nulls", wires=POSTGRES,
      ex={"json_strip_nulls('{\"a\": null, \"b\": 1}')::text": '{"b":1}'}),
    f("jsonb_pretty(j json) -> text", "The value with indentation.",
      "(j) AS CAST(json_pretty(CAST(j AS JSON)) AS VARCHAR)", wires=POSTGRES,
      ex={"jsonb_pretty('{\"a\":1}')": '{\n    "a": 1\n}'}),
    f("json_array_elements(j json) -> setof json", "A row for each of an array's values.",
      json.elements, "jsonb_array_elements", kind=Kind.TABLE, wires=POSTGRES),
    f("json_array_elements_text(j json) -> setof text", "A row for each of an array's values.",
      json.elements_text, "jsonb_array_elements_text", kind=Kind.TABLE, wires=POSTGRES),
    f("json_each(j json) -> setof record", "A row for each field: key and value.",
      "json_each", "jsonb_each", "json_each_text", "jsonb_each_text", kind=Kind.TABLE,
      wires=POSTGRES),
    f("jsonb_set(j json, path text[], value json [, create boolean]) -> json",
      "The document with another value below the keys; added if it is not there.",
      json_changes.jsonb_set, wires=POSTGRES,
      ex={"jsonb_set('{\"a\": {\"b\": 1}}', '{a,b}', '2')::text": '{"a":{"b":2}}',
          "jsonb_set('{\"a\": 1}', '{c}', '2', false)::text": '{"a":1}'}),
    f("json_set(j json, path text, value any, ...) -> json",
      "The document with other values at the paths, added where nothing is.",
      json_changes.changed("json_set"), wires=MYSQL,
      ex={"json_set('{\"a\": 1}', '$.a', 10, '$.b', 'x')": '{"a":10,"b":"x"}'}),
    f("json_insert(j json, path text, value any, ...) -> json",
      "The document with values added at the paths where nothing is.",
      json_changes.changed("json_insert"), wires=MYSQL,
      ex={"json_insert('{\"a\": 1}', '$.a', 10, '$.b', 2)": '{"a":1,"b":2}'}),
    f("json_replace(j json, path text, value any, ...) -> json",
      "The document with other values at the paths where something is.",
      json_changes.changed("json_replace"), wires=MYSQL,
      ex={"json_replace('{\"a\": 1}', '$.a', 10, '$.b', 2)": '{"a":10}'}),
    f("json_remove(j json, path text, ...) -> json", "The document without what is at the paths.",
      json_changes.removed, wires=MYSQL,
      ex={"json_remove('{\"a\": 1, \"b\": 2}', '$.a')": '{"b":2}'}),
    f("json_agg(value any) -> json", "The array of all values.", "json_group_array", "jsonb_agg",
      kind=Kind.AGGREGATE, wires=POSTGRES, ex={"json_agg(1)::text": "[1]"}),
    f("json_object_agg(key text, value any) -> json", "The object of all keys and values.",
      "json_group_object", "jsonb_object_agg", kind=Kind.AGGREGATE, wires=POSTGRES,
      ex={"json_object_agg('a', 1)::text": '{"a":1}'}),
    f("json_arrayagg(value any) -> json", "The array of all values.", "json_group_array",
      kind=Kind.AGGREGATE, wires=MYSQL, ex={"json_arrayagg(1)": "[1]"}),
    f("json_objectagg(key text, value any) -> json", "The object of all keys and values.",
      "json_group_object", kind=Kind.AGGREGATE, wires=MYSQL,
      ex={"json_objectagg('a', 1)": '{"a":1}'}),
    f("json_extract(j json, path text) -> json", "The value at a path; also ->.",
      ex={f"json_extract('{_DOC}', '$.a.b[0]')": "1"}),
    f("json_unquote(j json) -> text", "A string without its quotes.",
      "(j) AS CASE WHEN json_valid(CAST(j AS VARCHAR)) THEN CAST(j AS JSON) ->> '$'"
      " ELSE CAST(j AS VARCHAR) END", wires=MYSQL,
      ex={"json_unquote('\"abc\"')": "abc", f"json_unquote(json_extract('{_DOC}', '$.s'))": "x"}),
    f("json_quote(text text) -> text", "A text as a JSON string.",
      "(s) AS CAST(to_json(CAST(s AS VARCHAR)) AS VARCHAR)", wires=MYSQL,
      ex={"json_quote('a')": '"a"'}),
    f("json_length(j json [, path text]) -> bigint", "The number of values or fields.",
      ("(j) AS gn_json_size(CAST(j AS JSON))",
       "(j, p) AS gn_json_size(json_extract(CAST(j AS JSON), p))"), wires=MYSQL,
      ex={"json_length('[1, 2, 3]')": 3, "json_length('{\"a\": 1}')": 1, "json_length('5')": 1}),
    f("json_depth(j json) -> bigint", "The greatest depth.",
      "(j) AS gn_json_depth(CAST(j AS JSON))", wires=MYSQL,
      ex={"json_depth('[10, {\"a\": 20}]')": 3, "json_depth('1')": 1}),
    f("json_type(j json) -> text", "OBJECT, ARRAY, STRING, INTEGER, DOUBLE, BOOLEAN or NULL.",
      f"(j) AS CASE {_TYPE} WHEN 'VARCHAR' THEN 'STRING' WHEN 'BIGINT' THEN 'INTEGER' WHEN"
      f" 'UBIGINT' THEN 'INTEGER' ELSE {_TYPE} END", wires=MYSQL, ex={"json_type('[1]')": "ARRAY",
                                                                     "json_type('1')": "INTEGER"}),
    f("json_valid(text text) -> boolean", "True if the text is JSON.",
      ex={"json_valid('{}')": True, "json_valid('{')": False}),
    f("json_keys(j json [, path text]) -> json", "The keys of an object.",
      ("(j) AS to_json(json_keys(CAST(j AS JSON)))",
       "(j, p) AS to_json(json_keys(json_extract(CAST(j AS JSON), p)))"), wires=MYSQL,
      ex={"json_keys('{\"a\": 1}')": '["a"]'}),
    f("json_contains(j json, part json [, path text]) -> boolean", "True if it holds the part.",
      ("(j, part) AS json_contains(CAST(j AS JSON), CAST(part AS JSON))",
       "(j, part, p) AS json_contains(json_extract(CAST(j AS JSON), p), CAST(part AS JSON))"),
      wires=MYSQL, ex={"json_contains('[1, 2]', '2')": True}),
    f("jsonb_contains(j json, part json) -> boolean", "True if it holds the part; also @>.",
      "json_contains", wires=POSTGRES, ex={"jsonb_contains('{\"a\":1,\"b\":2}', '{\"a\":1}')": True}),
    f("jsonb_exists(j json, key text) -> boolean", "True if the key is there; also ?.",
      "(j, k) AS list_contains(json_keys(CAST(j AS JSON)), k)", wires=POSTGRES,
      ex={"jsonb_exists('{\"a\":1}', 'a')": True}),
    f("json_merge_patch(a json, b json) -> json", "The first with the second's fields.",
      "(a, b) AS json_merge_patch(CAST(a AS JSON), CAST(b AS JSON))", wires=MYSQL,
      ex={"json_merge_patch('{\"a\":1}', '{\"b\":2}')": '{"a":1,"b":2}'}),
    f("json_pretty(j json) -> text", "The value with indentation.",
      "(j) AS CAST(json_pretty(CAST(j AS JSON)) AS VARCHAR)", wires=MYSQL,
      ex={"json_pretty('[]')": "[]"}),
)
# fmt: on

HELPERS: dict[str, object] = {
    "json_path": (
        "(p) AS CASE WHEN p[1] = '$' THEN p WHEN p[1] = '[' THEN '$' || p ELSE '$.' || p END",
    ),
    "json_at": ("(j, p) AS json_extract(j, gn_json_path(p))",),
    "json_as_bigint": (
        "(j) AS CASE WHEN json_type(j) IN ('BIGINT', 'UBIGINT', 'VARCHAR')"
        " THEN TRY_CAST(j ->> '$' AS BIGINT) END",
    ),
    "json_as_double": (
        "(j) AS CASE WHEN json_type(j) <> 'BOOLEAN' THEN TRY_CAST(j ->> '$' AS DOUBLE) END",
    ),
    "json_as_boolean": (
        "(j) AS CASE WHEN json_type(j) IN ('BOOLEAN', 'VARCHAR')"
        " THEN TRY_CAST(j ->> '$' AS BOOLEAN) END",
    ),
    "json_as_varchar": ("(j) AS j ->> '$'",),
    "json_as_object": ("(j) AS CASE WHEN json_type(j) = 'OBJECT' THEN CAST(j AS VARCHAR) END",),
    "json_size": (
        "(j) AS CASE json_type(j) WHEN 'ARRAY' THEN CAST(json_array_length(j) AS BIGINT)"
        " WHEN 'OBJECT' THEN len(json_keys(j)) ELSE 1 END",
    ),
    # The nesting of brackets outside strings, by the running sum of what opens and closes.
    "json_depth": (
        "(j) AS 1 + coalesce(list_max(list_transform(range(1, len(gn_json_marks(j)) + 1), lambda n:"
        " list_sum(list_transform(gn_json_marks(j)[:n],"
        " lambda m: CASE WHEN m IN ('[', '{') THEN 1 ELSE -1 END)))) -"
        " CAST(regexp_matches(CAST(j AS VARCHAR), '^(\\[\\]|\\{\\})$') AS INTEGER), 0)",
    ),
    "json_marks": (
        "(j) AS regexp_extract_all(regexp_replace(CAST(json(j) AS VARCHAR),"
        " '\"([^\"\\\\]|\\\\.)*\"', '', 'g'), '[\\[\\]{}]')",
    ),
}
