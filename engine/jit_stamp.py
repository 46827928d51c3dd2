"""What a compiled kernel depends on beyond its own file: parts compiled into it, constants.

Called by jit.py before a kernel is looked up in the cache on disk. Numba looks at the kernel's own
file only, and would go on running code of parts that have changed since.
"""

from __future__ import annotations

import hashlib
from types import CodeType, ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.core.dispatcher import Dispatcher


def heed_parts(dispatcher: Any) -> None:
    """Makes the cache on disk forget kernels once a part or constant of theirs has changed.

    Of kernels that are called by this one, too: Numba compiles and keeps them on the way.
    """
    if not isinstance(dispatcher, Dispatcher):
        return
    for one in _stamped(dispatcher)[1]:
        cache_file = getattr(getattr(one, "_cache", None), "_cache_file", None)
        if cache_file is None:
            continue
        stamp = cache_file._source_stamp
        if not isinstance(stamp[-1], str):  # else it is ours already
            cache_file._source_stamp = stamp, _stamped(one)[0]


def check_parts(dispatcher: Any) -> None:
    """What does not count references must not give any away: its caller would take one back.

    Only what was compiled just now is looked at. Raises: TypeError for a part that returns arrays.
    """
    if not isinstance(dispatcher, Dispatcher):
        return
    for one in _stamped(dispatcher)[1]:
        if one.targetoptions.get("_nrt", True):
            continue
        for signature in one.nopython_signatures:
            given = signature.return_type
            if any(isinstance(kind, types.Array) for kind in (given, *getattr(given, "types", ()))):
                raise TypeError(f"{one.py_func.__qualname__} returns an array: see array_part")


def _stamped(dispatcher: Any) -> tuple[str, list[Any]]:
    """A digest of all code and constants compiled into a dispatcher's function; the dispatchers."""
    digest = hashlib.sha256()
    met: dict[int, Any] = {}
    waiting = [dispatcher]
    while waiting:
        one = waiting.pop()
        if id(one) in met:
            continue
        met[id(one)] = one
        digest.update(repr(sorted(one.targetoptions.items())).encode())
        for value in _used(one.py_func, digest):
            if isinstance(value, Dispatcher):
                waiting.append(value)
            else:
                digest.update(_constant(value))
    return digest.hexdigest(), list(met.values())


def _used(function: Any, digest: Any) -> list[Any]:
    """What a function refers to outside of itself; its own code goes into the digest."""
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        digest.update(code.co_code)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                codes.append(constant)
            else:
                digest.update(repr(constant).encode())
        for name in code.co_names:
            digest.update(name.encode())
            if name in function.__globals__:
                values.append(function.__globals__[name])
    return values


def _constant(value: Any) -> bytes:
    """A constant's content; of other things their name, as they have no state a kernel sees."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    if isinstance(value, bool | int | float | str | bytes | tuple | np.generic):
        return repr(value).encode()
    if isinstance(value, ModuleType):
        return value.__name__.encode()
    return str(getattr(value, "__qualname__", type(value).__qualname__)).encode()
