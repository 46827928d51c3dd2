"""Opens the object store that the options name.

Called by `engine.regions` once it owns the data directory. obstore is imported only for a store
that needs it.
"""

from __future__ import annotations

from pathlib import Path

from engine.store.binding import bind, check_unbound
from engine.store.local import LocalStore, make_folder, translated
from engine.store.options import StorageOptions, StorageType
from engine.store.store import ObjectStore

_CACHE = "cache"


def cache_folder(options: StorageOptions, directory: Path) -> Path:
    """Where the local copies of a remote store are."""
    return (options.cache_path or directory / _CACHE).resolve()


def open_store(options: StorageOptions, directory: Path, *, sync: bool = True) -> ObjectStore:
    """The store of the regions of a data directory.

    Requires: this process owns the directory. Raises: DbError STORAGE_UNAVAILABLE, ACCESS_DENIED,
    INVALID_ARGUMENT.
    """
    if options.type is StorageType.FILE:
        check_unbound(directory)
        return LocalStore(directory, sync=sync)
    from engine.store.backends import make_cloud
    from engine.store.cache import DiskCache
    from engine.store.cached import CachedStore

    cloud = make_cloud(options)
    is_lasting = options.type is not StorageType.MEMORY
    owner = bind(cloud, directory, sync=sync) if is_lasting else StorageType.MEMORY.value
    # A folder per data directory: several may be given the same place for their caches.
    folder = cache_folder(options, directory) / owner
    with translated(f"open the cache {folder}"):
        make_folder(folder)
        return CachedStore(cloud, DiskCache(folder, options.cache_bytes))
