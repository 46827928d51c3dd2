"""Distances on a sphere."""

from __future__ import annotations

from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]


def angle(lat1: _Array, lng1: _Array, lat2: _Array, lng2: _Array) -> _Array:
    """The angle between places in radians, by the haversine formula."""
    half = np.sin((lat2 - lat1) / 2) ** 2
    half = half + np.cos(lat1) * np.cos(lat2) * np.sin((lng2 - lng1) / 2) ** 2
    made: _Array = 2 * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return made
