"""H3 cells. Places, disks and lines are h3ronpy's; what a cell's bits tell is read from them.

https://h3geo.org/docs/core-library/h3Indexing
"""

from __future__ import annotations

from typing import Any

import h3ronpy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from h3ronpy import vector

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import lists, numbers, spread, valid
from sql.functions.arrow.sphere import angle

_Array = np.ndarray[Any, Any]
_MAX = 15
_RADIUS_KM = 6371.007180918475  # H3's own radius of the Earth
_PENTAGONS = np.array([4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117])
_U = np.uint64


def _error(text: str) -> DbError:
    return DbError(ErrorKind.INVALID_ARGUMENT, text)


def _arrow(made: Any) -> pa.Array:
    return pa.array(made)


def _cells(column: pa.Array, rows: _Array) -> _Array:
    """The cells of these rows. Raises: DbError for numbers that are none."""
    values = numbers(column, rows).astype(np.uint64)
    if len(values):
        good = np.asarray(_arrow(h3ronpy.cells_valid(pa.array(values), booleanarray=True)))
        if not good.all():
            raise _error(f"{values[int(np.argmin(good))]} is no H3 cell")
    return values


def _resolutions(column: pa.Array, rows: _Array) -> _Array:
    values = numbers(column, rows).astype(np.int64)
    if np.any(values > _MAX):
        raise _error("an H3 resolution is 0 to 15")
    return values


# --- Bits -----------------------------------------------------------------------------------------


def _resolution(cells: _Array) -> _Array:
    return ((cells >> _U(52)) & _U(15)).astype(np.int64)


def _shift(level: int) -> np.uint64:
    return _U((_MAX - level) * 3)


def _digit(cells: _Array, level: int) -> _Array:
    return ((cells >> _shift(level)) & _U(7)).astype(np.int64)


def _with_digit(cells: _Array, level: int, digit: _Array, where: _Array) -> _Array:
    cleared = (cells & ~(_U(7) << _shift(level))) | (digit.astype(np.uint64) << _shift(level))
    return np.where(where, cleared, cells)


def _with_resolution(cells: _Array, resolution: _Array) -> _Array:
    return (cells & ~(_U(15) << _U(52))) | (resolution.astype(np.uint64) << _U(52))


def _base(cells: _Array) -> _Array:
    return ((cells >> _U(45)) & _U(127)).astype(np.int64)


def _pentagon(cells: _Array) -> _Array:
    """A pentagon is the centre, at every level, of one of twelve base cells."""
    resolution = _resolution(cells)
    made = np.isin(_base(cells), _PENTAGONS)
    for level in range(1, _MAX + 1):
        made &= (level > resolution) | (_digit(cells, level) == 0)
    return made


def _parent(cells: _Array, wanted: _Array) -> _Array:
    made = _with_resolution(cells, wanted)
    for level in range(1, _MAX + 1):
        made = _with_digit(made, level, np.full(len(cells), 7), level > wanted)
    return made


def _center_child(cells: _Array, wanted: _Array) -> _Array:
    made, own = _with_resolution(cells, wanted), _resolution(cells)
    for level in range(1, _MAX + 1):
        here = (level > own) & (level <= wanted)
        made = _with_digit(made, level, np.zeros(len(cells), np.int64), here)
    return made


def _size(levels: _Array, pentagon: _Array) -> _Array:
    """How many cells are within one, so many levels below."""
    hexagons = np.power(np.int64(7), np.maximum(levels, 0))
    return np.where(pentagon, 1 + 5 * (hexagons - 1) // 6, hexagons)


def cell_resolution(cell: pa.Array) -> pa.Array:
    """0 to 15."""
    rows = valid(cell)
    return spread(_resolution(_cells(cell, rows)), rows, pa.int32())


def cell_base(cell: pa.Array) -> pa.Array:
    """The base cell's number."""
    rows = valid(cell)
    return spread(_base(_cells(cell, rows)), rows, pa.int32())


def cell_is_pentagon(cell: pa.Array) -> pa.Array:
    """True for the twelve pentagons of each resolution."""
    rows = valid(cell)
    return spread(_pentagon(_cells(cell, rows)), rows, pa.bool_())


def cell_parent(cell: pa.Array, resolution: pa.Array) -> pa.Array:
    """The cell it lies in. Raises: DbError INVALID_ARGUMENT for a finer resolution."""
    rows = valid(cell, resolution)
    cells, wanted = _cells(cell, rows), _resolutions(resolution, rows)
    if np.any(wanted > _resolution(cells)):
        raise _error("a parent's resolution is at most the cell's own")
    return spread(_parent(cells, wanted), rows, pa.uint64())


def _below(cell: pa.Array, resolution: pa.Array, rows: _Array) -> tuple[_Array, _Array, _Array]:
    """(cells, wanted resolutions, levels between)."""
    cells, wanted = _cells(cell, rows), _resolutions(resolution, rows)
    levels = wanted - _resolution(cells)
    if np.any(levels < 0):
        raise _error("a child's resolution is at least the cell's own")
    return cells, wanted, levels


def cell_center_child(cell: pa.Array, resolution: pa.Array) -> pa.Array:
    """The cell in the centre."""
    rows = valid(cell, resolution)
    cells, wanted, _ = _below(cell, resolution, rows)
    return spread(_center_child(cells, wanted), rows, pa.uint64())


def cell_to_children_size(cell: pa.Array, resolution: pa.Array) -> pa.Array:
    """How many cells are within."""
    rows = valid(cell, resolution)
    cells, _, levels = _below(cell, resolution, rows)
    return spread(_size(levels, _pentagon(cells)), rows, pa.uint64())


_CHILDREN_MAX = 50_000_000


def cell_to_children(cell: pa.Array, resolution: pa.Array) -> pa.Array:
    """The cells within, in order of their places. Raises: DbError LIMIT_EXCEEDED."""
    rows = valid(cell, resolution)
    cells, wanted, levels = _below(cell, resolution, rows)
    sizes = _size(levels, _pentagon(cells))
    if sizes.sum() > _CHILDREN_MAX:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "these cells have too many children")
    ends = np.cumsum(sizes)
    place = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    made = _at_place(np.repeat(cells, sizes), np.repeat(wanted, sizes), place)
    return spread(lists(pa.array(made, pa.uint64()), sizes), rows, pa.list_(pa.uint64()))


def cell_to_child_pos(cell: pa.Array, resolution: pa.Array) -> pa.Array:
    """The cell's place among the children of its parent at this resolution."""
    rows = valid(cell, resolution)
    cells, above = _cells(cell, rows), _resolutions(resolution, rows)
    own = _resolution(cells)
    if np.any(above > own):
        raise _error("a parent's resolution is at most the cell's own")
    centre = _pentagon(_parent(cells, above))
    place = np.zeros(len(cells), np.int64)
    for level in range(1, _MAX + 1):
        here = (level > above) & (level <= own)
        digit = np.where(here, _digit(cells, level), 0)
        hexagon, pentagon = _size(own - level, ~here & here), _size(own - level, here)
        step = np.where(centre & (digit > 0), pentagon + (digit - 2) * hexagon, digit * hexagon)
        place += np.where(here, step, 0)
        centre = centre & (~here | (digit == 0))
    return spread(place, rows, pa.uint64())


def child_pos_to_cell(place: pa.Array, cell: pa.Array, resolution: pa.Array) -> pa.Array:
    """The child at a place. Raises: DbError INVALID_ARGUMENT beyond the last."""
    rows = valid(place, cell, resolution)
    cells, wanted, levels = _below(cell, resolution, rows)
    at = numbers(place, rows).astype(np.int64)
    if np.any((at < 0) | (at >= _size(levels, _pentagon(cells)))):
        raise _error("the cell has no child at this place")
    return spread(_at_place(cells, wanted, at), rows, pa.uint64())


def _at_place(cells: _Array, wanted: _Array, place: _Array) -> _Array:
    own, centre = _resolution(cells), _pentagon(cells)
    made, rest = _with_resolution(cells, wanted), place.copy()
    for level in range(1, _MAX + 1):
        here = (level > own) & (level <= wanted)
        hexagon = np.power(np.int64(7), np.maximum(wanted - level, 0))
        middle = _size(wanted - level, np.full(len(cells), True))
        beyond = centre & (rest >= middle)  # a pentagon has no first neighbour
        digit = np.where(beyond, (rest - middle) // hexagon + 2, rest // hexagon)
        digit = np.where(centre & ~beyond, 0, digit)
        taken = np.where(beyond, middle + (digit - 2) * hexagon, digit * hexagon)
        rest = np.where(here, rest - taken, rest)
        made = _with_digit(made, level, digit, here)
        centre = centre & (~here | (digit == 0))
    return made


def cells_contains(cells: pa.Array, cell: pa.Array) -> pa.Array:
    """True if one of the list's cells is the cell or one it lies in."""
    rows = valid(cells, cell)
    kept = cells.filter(pa.array(rows))
    parents = np.asarray(pc.list_parent_indices(kept), dtype=np.int64)
    flat = pc.list_flatten(kept)
    there = valid(flat)
    members, parents = _cells(flat, there), parents[there]
    wanted = _cells(cell, rows)[parents]
    resolution = _resolution(members)
    fits = resolution <= _resolution(wanted)
    inside = fits & (_parent(wanted, np.minimum(resolution, _resolution(wanted))) == members)
    made = np.bincount(parents, weights=inside, minlength=int(rows.sum())) > 0
    return spread(made, rows, pa.bool_())


# --- Text and places ------------------------------------------------------------------------------


def latlng_to_cell(lat: pa.Array, lng: pa.Array, resolution: pa.Array) -> pa.Array:
    """The cell of each place. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(lat, lng, resolution)
    y, x = numbers(lat, rows), numbers(lng, rows)
    wanted = _resolutions(resolution, rows)
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise _error("latitude and longitude must be finite")
    made = vector.coordinates_to_cells(y, x, wanted.astype(np.uint8)) if len(y) else []
    return spread(pa.array(made, pa.uint64()), rows, pa.uint64())


def cell_to_string(cell: pa.Array) -> pa.Array:
    """The cell in hexadecimal digits."""
    rows = valid(cell)
    made = _arrow(h3ronpy.cells_to_string(pa.array(_cells(cell, rows)))) if rows.any() else []
    return spread(pa.array(made).cast(pa.string()), rows, pa.string())


def string_to_cell(text: pa.Array) -> pa.Array:
    """The cell of hexadecimal digits. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(text)
    kept = text.filter(pa.array(rows)).cast(pa.string())
    shaped = pc.match_substring_regex(kept, "^[0-9a-fA-F]{1,16}$")
    if not pc.all(shaped, min_count=0).as_py():
        raise _error(f"{kept.filter(pc.invert(shaped))[0].as_py()!r} is no H3 cell")
    made = pa.array(h3ronpy.cells_parse(kept)) if len(kept) else pa.array([], pa.uint64())
    return spread(made, rows, pa.uint64())


def any_cell(kind: pa.Array, text: pa.Array) -> pa.Array:
    """Cells in hexadecimal digits, or numbers as text, as `kind` (DuckDB's type) tells."""
    if pc.all(pc.equal(kind, "VARCHAR")).as_py():
        return string_to_cell(text)
    return text.cast(pa.uint64())


def _centres(cells: _Array) -> tuple[_Array, _Array]:
    """Latitudes and longitudes in degrees."""
    if not len(cells):
        return np.empty(0), np.empty(0)
    batch = pa.record_batch(vector.cells_to_coordinates(pa.array(cells)))
    return np.asarray(batch["lat"]), np.asarray(batch["lng"])


def cell_center_latlng(cell: pa.Array) -> pa.Array:
    """Latitude and longitude of the centre."""
    rows = valid(cell)
    lat, lng = _centres(_cells(cell, rows))
    values = pa.array(np.stack([lat, lng], axis=1).reshape(-1), pa.float64())
    return spread(lists(values, np.full(len(lat), 2)), rows, pa.list_(pa.float64()))


def distance_sphere_km(a: pa.Array, b: pa.Array) -> pa.Array:
    """The great circle between the centres."""
    rows = valid(a, b)
    first, second = _centres(_cells(a, rows)), _centres(_cells(b, rows))
    radians = (np.radians(value) for value in (*first, *second))
    return spread(_RADIUS_KM * angle(*radians), rows, pa.float64())


def distance_degree(a: pa.Array, b: pa.Array) -> pa.Array:
    """The distance of the centres in degrees."""
    rows = valid(a, b)
    (lat1, lng1), (lat2, lng2) = _centres(_cells(a, rows)), _centres(_cells(b, rows))
    return spread(np.hypot(lat1 - lat2, lng1 - lng2), rows, pa.float64())


# --- The grid -------------------------------------------------------------------------------------

_DISK_MAX = 2000  # steps: a disk of 12 million cells


def grid_disk(cell: pa.Array, steps: pa.Array) -> pa.Array:
    """The cells at most so many steps away, from the nearest outwards."""
    rows = valid(cell, steps)
    cells, far = _cells(cell, rows), numbers(steps, rows).astype(np.int64)
    if np.any(far > _DISK_MAX):
        raise DbError(ErrorKind.LIMIT_EXCEEDED, f"a disk has at most {_DISK_MAX} steps")
    made = [pa.array([], pa.list_(pa.uint64()))]
    places = [np.empty(0, np.int64)]
    for k in np.unique(far):  # the library takes one number of steps at a time
        here = np.flatnonzero(far == k)
        disks = _arrow(h3ronpy.grid_disk(pa.array(cells[here]), int(k)))
        made.append(disks.cast(pa.list_(pa.uint64())))
        places.append(here)
    order = np.argsort(np.concatenate(places), kind="stable")
    return spread(pa.concat_arrays(made).take(pa.array(order)), rows, pa.list_(pa.uint64()))


def _local(anchor: _Array, cells: _Array) -> tuple[_Array, _Array]:
    """Coordinates i and j around the anchor. Raises: DbError for cells too far apart."""
    try:
        batch = pa.record_batch(h3ronpy.cells_to_localij(pa.array(cells), pa.array(anchor)))
    except ValueError as error:
        raise _error(f"these cells have no distance on the grid: {error}") from error
    return np.asarray(batch["i"], np.int64), np.asarray(batch["j"], np.int64)


def _ends(a: pa.Array, b: pa.Array, rows: _Array) -> tuple[_Array, _Array, _Array]:
    """(first cells, coordinates i and j of the first, of the second)."""
    first, second = _cells(a, rows), _cells(b, rows)
    if np.any(_resolution(first) != _resolution(second)):
        raise _error("cells of one resolution have a distance on the grid")
    if not len(first):
        return first, np.empty((2, 0)), np.empty((2, 0))
    return first, np.stack(_local(first, first)), np.stack(_local(first, second))


def grid_distance(a: pa.Array, b: pa.Array) -> pa.Array:
    """The steps from one cell to the other."""
    rows = valid(a, b)
    _, start, stop = _ends(a, b, rows)
    return spread(_steps(start, stop), rows, pa.int64())


def _steps(start: _Array, stop: _Array) -> _Array:
    """The hexagonal distance: i and j are axes at 120 degrees."""
    di, dj = (stop - start).astype(np.int64)
    made: _Array = np.maximum(np.maximum(np.abs(di), np.abs(dj)), np.abs(di - dj))
    return made


def grid_path_cells(a: pa.Array, b: pa.Array) -> pa.Array:
    """The cells a straight line between the centres passes, both ends included."""
    rows = valid(a, b)
    first, start, stop = _ends(a, b, rows)
    steps = _steps(start, stop)
    sizes = steps + 1
    ends = np.cumsum(sizes)
    at = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    share = at / np.maximum(np.repeat(steps, sizes), 1)
    i0, j0 = np.repeat(start[0], sizes), np.repeat(start[1], sizes)
    i1, j1 = np.repeat(stop[0], sizes), np.repeat(stop[1], sizes)
    i, j = _rounded(i0 + (i1 - i0) * share, j0 + (j1 - j0) * share)
    anchor = np.repeat(first, sizes)
    made = (
        pa.array(h3ronpy.localij_to_cells(pa.array(anchor), pa.array(i), pa.array(j)))
        if len(anchor)
        else pa.array([], pa.uint64())
    )
    return spread(lists(made.cast(pa.uint64()), sizes), rows, pa.list_(pa.uint64()))


def _rounded(i: _Array, j: _Array) -> tuple[_Array, _Array]:
    """The cell nearest to fractional coordinates, by rounding in the cube."""
    x, z = -i, j
    y = -x - z
    rx, ry, rz = np.round(x), np.round(y), np.round(z)
    dx, dy, dz = np.abs(rx - x), np.abs(ry - y), np.abs(rz - z)
    fix_x = (dx > dy) & (dx > dz)
    fix_z = ~fix_x & (dz >= dy)
    rx = np.where(fix_x, -ry - rz, rx)
    rz = np.where(fix_z, -rx - ry, rz)
    return (-rx).astype(np.int32), rz.astype(np.int32)
