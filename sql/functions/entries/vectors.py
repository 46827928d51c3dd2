"""Vector functions: vectors are the bytes of 32-bit floats, or their text `[1,2,3]`."""

from __future__ import annotations

from sql.functions.registry import Function, Kind, arrow
from sql.functions.registry import function as f

CATEGORY = "Vector"
# Within an aggregate DuckDB cannot choose an overload by the argument's type, so it is told.
_V, _A, _B = (f"gn_any_vector(typeof({name}), CAST({name} AS BLOB))" for name in "vab")


def _pair(name: str, returns: str, doc: str, result: object) -> Function:
    shown = (
        f"vec_to_string({name}('[1,2]', '[3,4]'))"
        if returns == "vector"
        else (f"{name}('[1,2]', '[3,4]')")
    )
    return f(f"{name}(a vector, b vector) -> {returns}", doc,
             f"(a, b) AS gn_{name}_arrow({_A}, {_B})", ex={shown: result})  # fmt: skip


def _single(name: str, returns: str, doc: str, result: object) -> Function:
    return f(f"{name}(v vector) -> {returns}", doc, f"(v) AS gn_{name}_arrow({_V})",
             ex={f"{name}('[1,2,2]')": result})  # fmt: skip


def _total(name: str, doc: str) -> Function:
    return f(
        f"{name}(v vector) -> vector", doc, f"(v) AS gn_{name}_arrow(list({_V}))",
        kind=Kind.AGGREGATE, ex={f"vec_to_string({name}('[1,2]'))": "[1,2]"},
    )  # fmt: skip


# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("parse_vec(text text) -> vector", "The vector of a text such as [1,2,3].",
      "(s) AS gn_parse_vec_arrow(CAST(s AS VARCHAR))", ex={"vec_dim(parse_vec('[1,2]'))": 2}),
    f("vec_to_string(v vector) -> text", "The vector as text.",
      f"(v) AS gn_vec_to_string_arrow({_V})", ex={"vec_to_string('[1.0, 2.5]')": "[1,2.5]"}),
    _pair("vec_add", "vector", "The sum, element by element.", "[4,6]"),
    _pair("vec_sub", "vector", "The difference, element by element.", "[-2,-2]"),
    _pair("vec_mul", "vector", "The product, element by element.", "[3,8]"),
    _pair("vec_div", "vector", "The quotient, element by element.", "[0.33333334,0.5]"),
    _pair("vec_l2sq_distance", "real", "The squared Euclidean distance.", 8.0),
    _pair("vec_cos_distance", "real", "One minus the cosine of the angle; 1 for a zero vector.",
          0.01613009),
    _pair("vec_dot_product", "real", "The dot product.", 11.0),
    f("vec_scalar_add(x double precision, v vector) -> vector", "The number added to each element.",
      f"(x, v) AS gn_vec_scalar_add_arrow(x, {_V})",
      ex={"vec_to_string(vec_scalar_add(1, '[1,2]'))": "[2,3]"}),
    f("vec_scalar_mul(x double precision, v vector) -> vector", "The number times each element.",
      f"(x, v) AS gn_vec_scalar_mul_arrow(x, {_V})",
      ex={"vec_to_string(vec_scalar_mul(2, '[1,2]'))": "[2,4]"}),
    _single("vec_elem_sum", "real", "The sum of the elements.", 5.0),
    _single("vec_elem_product", "real", "The product of the elements.", 4.0),
    _single("vec_elem_avg", "real", "The mean of the elements.", 1.6666666),
    f("vec_norm(v vector) -> vector", "The vector divided by its length.",
      f"(v) AS gn_vec_norm_arrow({_V})", ex={"vec_to_string(vec_norm('[3,4]'))": "[0.6,0.8]"}),
    _single("vec_dim", "bigint", "The number of elements.", 3),
    f("vec_kth_elem(v vector, place bigint) -> real", "The element at a place, from 0.",
      f"(v, k) AS gn_vec_kth_elem_arrow({_V}, k)", ex={"vec_kth_elem('[1,2]', 1)": 2.0}),
    f("vec_subvector(v vector, start bigint, stop bigint) -> vector",
      "The elements from start up to stop, without it.",
      f"(v, a, b) AS gn_vec_subvector_arrow({_V}, a, b)",
      ex={"vec_to_string(vec_subvector('[1,2,3,4]', 1, 3))": "[2,3]"}),
    _total("vec_sum", "The sum of all vectors, element by element."),
    _total("vec_product", "The product of all vectors, element by element."),
    _total("vec_avg", "The mean of all vectors, element by element."),
)
# fmt: on


def _module(name: str, parameters: str, returns: str) -> tuple[str, object]:
    return f"{name}_arrow", arrow("vectors", name.removeprefix("vec_"), parameters, returns)


HELPERS: dict[str, object] = {
    "any_vector": arrow("vectors", "any_vector", "VARCHAR, BLOB", "BLOB"),
    **dict(
        (
            _module("parse_vec", "VARCHAR", "BLOB"),
            _module("vec_to_string", "BLOB", "VARCHAR"),
            *(_module(f"vec_{n}", "BLOB, BLOB", "BLOB") for n in ("add", "sub", "mul", "div")),
            *(
                _module(f"vec_{n}", "BLOB, BLOB", "FLOAT")
                for n in ("l2sq_distance", "cos_distance", "dot_product")
            ),
            *(_module(f"vec_scalar_{n}", "DOUBLE, BLOB", "BLOB") for n in ("add", "mul")),
            *(_module(f"vec_elem_{n}", "BLOB", "FLOAT") for n in ("sum", "product", "avg")),
            _module("vec_norm", "BLOB", "BLOB"),
            _module("vec_dim", "BLOB", "BIGINT"),
            _module("vec_kth_elem", "BLOB, BIGINT", "FLOAT"),
            _module("vec_subvector", "BLOB, BIGINT, BIGINT", "BLOB"),
            ("vec_sum_arrow", arrow("vectors", "total", "BLOB[]", "BLOB")),
            ("vec_product_arrow", arrow("vectors", "product", "BLOB[]", "BLOB")),
            ("vec_avg_arrow", arrow("vectors", "average", "BLOB[]", "BLOB")),
        )
    ),
}
