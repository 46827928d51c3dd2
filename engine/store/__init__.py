"""Where files live: one small interface, local files as its first implementation."""

from engine.store.local import LocalStore
from engine.store.store import ObjectStore

__all__ = ["LocalStore", "ObjectStore"]
