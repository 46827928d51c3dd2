"""Geographic functions: H3, S2, geohash and shapes in well-known text."""

from __future__ import annotations

from sql.functions.registry import Function, Kind, arrow
from sql.functions.registry import function as f

CATEGORY = "Geo"
_CELL = "h3_latlng_to_cell(37.76938, -122.3889, 8)"
_ID = 613196570438926335
_S2 = "s2_latlng_to_cell(37.76938, -122.3889)"
_SQUARE = "'POLYGON((0 0, 2 0, 2 2, 0 2, 0 0))'"


def _cell(name: str, returns: str, doc: str, result: object) -> Function:
    return f(f"{name}(cell h3) -> {returns}", doc, f"(c) AS gn_{name}_arrow(gn_cell(c))",
             ex={f"{name}({_CELL})": result})  # fmt: skip


def _shapes(name: str, doc: str, example: str, result: object) -> Function:
    return f(f"{name}(a wkt, b wkt) -> boolean", doc, f"(a, b) AS gn_{name}_arrow(a, b)",
             ex={f"{name}({example})": result})  # fmt: skip


# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("h3_latlng_to_cell(lat double precision, lng double precision, resolution integer)"
      " -> ubigint", "The H3 cell of a place.",
      "(lat, lng, r) AS gn_h3_latlng_to_cell_arrow(lat, lng, CAST(r AS UTINYINT))",
      ex={_CELL: _ID}),
    f("h3_latlng_to_cell_string(lat double precision, lng double precision, resolution integer)"
      " -> text", "The H3 cell of a place, as text.",
      "(lat, lng, r) AS gn_h3_cell_to_string_arrow(gn_h3_latlng_to_cell_arrow(lat, lng,"
      " CAST(r AS UTINYINT)))",
      ex={"h3_latlng_to_cell_string(37.76938, -122.3889, 8)": "88283082e7fffff"}),
    _cell("h3_cell_to_string", "text", "The cell as text.", "88283082e7fffff"),
    f("h3_string_to_cell(text text) -> ubigint", "The cell of its text.",
      "(s) AS gn_cell(CAST(s AS VARCHAR))", ex={"h3_string_to_cell('88283082e7fffff')": _ID}),
    _cell("h3_cell_center_latlng", "double precision[]", "Latitude and longitude of its centre.",
          [37.77246152245501, -122.39010997087324]),
    _cell("h3_cell_resolution", "integer", "The cell's resolution, 0 to 15.", 8),
    _cell("h3_cell_base", "integer", "The number of its base cell.", 20),
    _cell("h3_cell_is_pentagon", "boolean", "True for a pentagon.", False),
    f("h3_cell_parent(cell h3, resolution integer) -> ubigint", "The cell it lies in.",
      "(c, r) AS gn_h3_cell_parent_arrow(gn_cell(c), CAST(r AS UTINYINT))",
      ex={f"h3_cell_parent({_CELL}, 6)": 604189371209351167}),
    f("h3_cell_center_child(cell h3, resolution integer) -> ubigint", "The cell in its centre.",
      "(c, r) AS gn_h3_cell_center_child_arrow(gn_cell(c), CAST(r AS UTINYINT))",
      ex={f"h3_cell_resolution(h3_cell_center_child({_CELL}, 9))": 9}),
    f("h3_cell_to_children(cell h3, resolution integer) -> ubigint[]", "The cells within it.",
      "(c, r) AS gn_h3_cell_to_children_arrow(gn_cell(c), CAST(r AS UTINYINT))",
      ex={f"h3_cell_to_children({_CELL}, 8)": [_ID]}),
    f("h3_cell_to_children_size(cell h3, resolution integer) -> ubigint",
      "The number of cells within it.",
      "(c, r) AS gn_h3_cell_to_children_size_arrow(gn_cell(c), CAST(r AS UTINYINT))",
      ex={f"h3_cell_to_children_size({_CELL}, 10)": 49}),
    f("h3_cell_to_child_pos(cell h3, resolution integer) -> ubigint",
      "The cell's place within its parent.",
      "(c, r) AS gn_h3_cell_to_child_pos_arrow(gn_cell(c), CAST(r AS UTINYINT))",
      ex={f"h3_cell_to_child_pos({_CELL}, 8)": 0}),
    f("h3_child_pos_to_cell(place ubigint, cell h3, resolution integer) -> ubigint",
      "The cell at a place within another.",
      "(p, c, r) AS gn_h3_child_pos_to_cell_arrow(CAST(p AS UBIGINT), gn_cell(c),"
      " CAST(r AS UTINYINT))",
      ex={f"h3_cell_to_child_pos(h3_child_pos_to_cell(25, {_CELL}, 11), 8)": 25}),
    f("h3_cells_contains(cells h3[], cell h3) -> boolean",
      "True if the cell or one it lies in is in the set.",
      "(cells, c) AS gn_h3_cells_contains_arrow(gn_cell_set(cells), gn_cell(c))",
      ex={"h3_cells_contains('86283470fffffff,862834777ffffff', '8b283470d112fff')": True}),
    f("h3_grid_disk(cell h3, k integer) -> ubigint[]", "The cells at most k steps away.",
      "(c, k) AS gn_h3_grid_disk_arrow(gn_cell(c), CAST(k AS UINTEGER))",
      ex={f"h3_grid_disk({_CELL}, 0)": [_ID]}),
    f("h3_grid_disk_distances(cell h3, k integer) -> struct[]",
      "The cells at most k steps away, with their distances.",
      "(c, k) AS gn_h3_grid_disk_arrow(gn_cell(c), CAST(k AS UINTEGER))",
      ex={f"h3_grid_disk_distances({_CELL}, 0)": [_ID]}),
    f("h3_grid_distance(a h3, b h3) -> bigint", "The steps from one cell to another.",
      "(a, b) AS gn_h3_grid_distance_arrow(gn_cell(a), gn_cell(b))",
      ex={"h3_grid_distance('86283082fffffff', '86283470fffffff')": 9}),
    f("h3_grid_path_cells(a h3, b h3) -> ubigint[]", "The cells on a line between two cells.",
      "(a, b) AS gn_h3_grid_path_cells_arrow(gn_cell(a), gn_cell(b))",
      ex={f"h3_grid_path_cells({_CELL}, {_CELL})": [_ID]}),
    f("h3_distance_sphere_km(a h3, b h3) -> double precision",
      "The distance of two cells' centres on the sphere.",
      "(a, b) AS gn_h3_distance_sphere_km_arrow(gn_cell(a), gn_cell(b))",
      ex={"round(h3_distance_sphere_km('86283082fffffff', '86283470fffffff'), 5)": 55.05017}),
    f("h3_distance_degree(a h3, b h3) -> double precision",
      "The distance of two cells' centres in degrees.",
      "(a, b) AS gn_h3_distance_degree_arrow(gn_cell(a), gn_cell(b))",
      ex={"round(h3_distance_degree('86283082fffffff', '86283470fffffff'), 8)": 0.54939244}),
    f("s2_latlng_to_cell(lat double precision, lng double precision) -> ubigint",
      "The S2 leaf cell of a place.", arrow("s2", "latlng_to_cell", "DOUBLE, DOUBLE", "UBIGINT"),
      ex={_S2: 9263763445276221387}),
    f("s2_cell_to_token(cell ubigint) -> text", "The cell's token.",
      "(c) AS coalesce(nullif(rtrim(lpad(lower(to_hex(CAST(c AS UBIGINT))), 16, '0'), '0'), ''), 'X')",
      ex={f"s2_cell_to_token({_S2})": "808f7fc59ef01fcb"}),
    f("s2_cell_level(cell ubigint) -> integer", "The cell's level, 0 to 30.",
      arrow("s2", "cell_level", "UBIGINT", "INTEGER"), ex={f"s2_cell_level({_S2})": 30}),
    f("s2_cell_parent(cell ubigint, level integer) -> ubigint", "The cell it lies in.",
      arrow("s2", "cell_parent", "UBIGINT, INTEGER", "UBIGINT"),
      ex={f"s2_cell_parent({_S2}, 3)": 9277415232383221760}),
    f("geohash(lat double precision, lng double precision, length integer) -> text",
      "The geohash of a place, 1 to 12 characters.",
      "(lat, lng, n) AS gn_geohash_arrow(lat, lng, CAST(n AS UTINYINT))",
      ex={"geohash(37.76938, -122.3889, 9)": "9q8yygxne"}),
    f("geohash_neighbours(lat double precision, lng double precision, length integer) -> text[]",
      "The geohashes around: N, NW, W, SW, S, SE, E, NE.",
      "(lat, lng, n) AS gn_geohash_neighbours_arrow(lat, lng, CAST(n AS UTINYINT))",
      ex={"geohash_neighbours(37.76938, -122.3889, 11)":
          ["9q8yygxnefv", "9q8yygxnefu", "9q8yygxnefs", "9q8yygxnefk", "9q8yygxnefm",
           "9q8yygxnefq", "9q8yygxnefw", "9q8yygxnefy"]}),
    f("wkt_point_from_latlng(lat double precision, lng double precision) -> text",
      "The place as well-known text.", "(lat, lng) AS 'POINT(' || CAST(CAST(lng AS DOUBLE) AS"
      " VARCHAR) || ' ' || CAST(CAST(lat AS DOUBLE) AS VARCHAR) || ')'",
      ex={"wkt_point_from_latlng(37.76938, -122.3889)": "POINT(-122.3889 37.76938)"}),
    _shapes("st_contains", "True if b lies in a.", f"{_SQUARE}, 'POINT(1 1)'", True),
    _shapes("st_within", "True if a lies in b.", f"'POINT(3 1)', {_SQUARE}", False),
    _shapes("st_intersects", "True if they share a point.", f"'POINT(1 1)', {_SQUARE}", True),
    f("st_distance(a wkt, b wkt) -> double precision", "The distance in degrees.",
      "(a, b) AS gn_st_distance_arrow(a, b)", ex={"st_distance('POINT(0 0)', 'POINT(3 4)')": 5.0}),
    f("st_distance_sphere_m(a wkt, b wkt) -> double precision",
      "The distance of two points on the sphere, in metres.",
      "(a, b) AS gn_st_distance_sphere_m_arrow(a, b)",
      ex={"round(st_distance_sphere_m('POINT(-122.3889 37.76938)', 'POINT(-121.4247 38.5216)'), 3)":
          118766.036}),
    f("st_area(shape wkt) -> double precision", "The area in square degrees.",
      "(a) AS gn_st_area_arrow(a)", ex={f"st_area({_SQUARE})": 4.0}),
    f("json_encode_path(lat double precision, lng double precision, t timestamp) -> text",
      "The places in order of time as a JSON array of [longitude, latitude].",
      "(lat, lng, t) AS '[' || string_agg('[' || CAST(CAST(lng AS DOUBLE) AS VARCHAR) || ',' ||"
      " CAST(CAST(lat AS DOUBLE) AS VARCHAR) || ']', ',' ORDER BY t) || ']'", kind=Kind.AGGREGATE,
      ex={"json_encode_path(37.5, -122.25, now())": "[[-122.25,37.5]]"}),
    f("geo_path(lat double precision, lng double precision, t timestamp) -> struct",
      "The latitudes and longitudes in order of time.",
      "(lat, lng, t) AS {'lat': list(CAST(lat AS DOUBLE) ORDER BY t),"
      " 'lng': list(CAST(lng AS DOUBLE) ORDER BY t)}",
      kind=Kind.AGGREGATE, ex={"geo_path(37.5, -122.25, now())": {"lat": [37.5], "lng": [-122.25]}}),
)
# fmt: on


def _h3(name: str, parameters: str, returns: str) -> tuple[str, object]:
    return f"h3_{name}_arrow", arrow("h3", name, parameters, returns)


HELPERS: dict[str, object] = {
    "cell": (
        "(c UBIGINT) AS c",
        "(c BIGINT) AS CAST(c AS UBIGINT)",
        "(s VARCHAR) AS gn_h3_string_to_cell_arrow(trim(s))",
    ),
    "any_cell": arrow("h3", "any_cell", "VARCHAR, VARCHAR", "UBIGINT"),
    "cell_set": (
        "(c BIGINT[]) AS CAST(c AS UBIGINT[])",
        "(c UBIGINT[]) AS c",
        "(c VARCHAR[]) AS list_transform(c, lambda s: gn_hex_cell(s))",
        "(s VARCHAR) AS list_transform(string_split(s, ','), lambda s: gn_hex_cell(s))",
    ),
    "hex_cell": ("(s) AS CAST('0x' || trim(s) AS UBIGINT)",),
    **dict(
        (
            _h3("latlng_to_cell", "DOUBLE, DOUBLE, UTINYINT", "UBIGINT"),
            _h3("cell_to_string", "UBIGINT", "VARCHAR"),
            _h3("string_to_cell", "VARCHAR", "UBIGINT"),
            _h3("cell_center_latlng", "UBIGINT", "DOUBLE[]"),
            _h3("cell_resolution", "UBIGINT", "INTEGER"),
            _h3("cell_base", "UBIGINT", "INTEGER"),
            _h3("cell_is_pentagon", "UBIGINT", "BOOLEAN"),
            _h3("cell_parent", "UBIGINT, UTINYINT", "UBIGINT"),
            _h3("cell_center_child", "UBIGINT, UTINYINT", "UBIGINT"),
            _h3("cell_to_children", "UBIGINT, UTINYINT", "UBIGINT[]"),
            _h3("cell_to_children_size", "UBIGINT, UTINYINT", "UBIGINT"),
            _h3("cell_to_child_pos", "UBIGINT, UTINYINT", "UBIGINT"),
            _h3("child_pos_to_cell", "UBIGINT, UBIGINT, UTINYINT", "UBIGINT"),
            _h3("cells_contains", "UBIGINT[], UBIGINT", "BOOLEAN"),
            _h3("grid_disk", "UBIGINT, UINTEGER", "UBIGINT[]"),
            _h3("grid_distance", "UBIGINT, UBIGINT", "BIGINT"),
            _h3("grid_path_cells", "UBIGINT, UBIGINT", "UBIGINT[]"),
            _h3("distance_sphere_km", "UBIGINT, UBIGINT", "DOUBLE"),
            _h3("distance_degree", "UBIGINT, UBIGINT", "DOUBLE"),
        )
    ),
    "geohash_arrow": arrow("geohash", "geohash", "DOUBLE, DOUBLE, UTINYINT", "VARCHAR"),
    "geohash_neighbours_arrow": arrow(
        "geohash", "neighbours", "DOUBLE, DOUBLE, UTINYINT", "VARCHAR[]"
    ),
    **{
        f"st_{name}_arrow": arrow("shapes", name, "VARCHAR, VARCHAR", "BOOLEAN")
        for name in ("contains", "within", "intersects")
    },
    "st_distance_arrow": arrow("shapes", "distance", "VARCHAR, VARCHAR", "DOUBLE"),
    "st_distance_sphere_m_arrow": arrow(
        "shapes", "distance_sphere_m", "VARCHAR, VARCHAR", "DOUBLE"
    ),
    "st_area_arrow": arrow("shapes", "area", "VARCHAR", "DOUBLE"),
}
