"""Where files live: one small interface over local files and object stores of clouds."""

from engine.store.local import LocalStore
from engine.store.store import ObjectStore, reading

__all__ = ["LocalStore", "ObjectStore", "reading"]
