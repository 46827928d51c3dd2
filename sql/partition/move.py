"""Moves the rows of a table into new regions while it is read and written.

The new regions are filled with a copy, then with what changed meanwhile, again and again until
little is left. Then writers wait at the table's gate for the last changes and for one commit of the
catalog, which names the new regions in place of the old ones. Until that commit the new regions are
orphans and after it the old ones are: whatever a crash leaves, the next start removes one side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pyarrow as pa

from catalog.options import region_options
from catalog.records import Table
from engine.api import Changes, Op, Regions, Write
from engine.errors import DbError, ErrorKind
from sql.alterations import Alterations
from sql.partition.change import Change
from sql.partition.layout import Layouts, new_region_ids
from sql.partition.route import writes_of
from sql.run.duck import Duck
from sql.transaction import Transaction

PIECE_BYTES = 8 << 20  # of one log record: writers in between wait for no more than this
SETTLED_ROWS = 20_000  # changes that can be copied while writers wait: some ten milliseconds
ROUNDS_MAX = 20  # writers faster than the copying are held up after that many
ALONE_SECONDS = 2.0  # to wait for writers that are inside; then they go on, and we try again
ATTEMPTS_MAX = 10
COPIES_MAX = 3  # a compaction that was under way when copying began makes it start again

Check = Callable[[], None]


@dataclass(frozen=True)
class Stores:
    """What moving works with. `begin` opens a transaction of its own on a Duck of its own."""

    begin: Callable[[Duck], Transaction]
    duck: Callable[[], Duck]
    regions: Regions
    layouts: Layouts
    alterations: Alterations


def repartition(
    stores: Stores, table_id: int, plan: Callable[[Table], Change], check: Check
) -> None:
    """Carries a change of partitions out. `check` raises when it shall stop.

    Raises: DbError; nothing has changed then. SERIALIZATION_FAILURE if the table was altered,
    truncated or dropped meanwhile; REGION_BUSY.
    """
    with ExitStack() as stack:
        stack.enter_context(stores.layouts.gates.moving(table_id))
        ducks = stores.duck(), stores.duck()
        for duck in ducks:
            stack.callback(duck.close)
        for attempt in range(1, COPIES_MAX + 1):
            move = _Move(stores, table_id, ducks, check)
            try:
                move.run(plan)
                return
            except DbError as error:
                if error.kind is not ErrorKind.REGION_BUSY or attempt == COPIES_MAX:
                    raise


class _Move:
    """One attempt."""

    def __init__(
        self, stores: Stores, table_id: int, ducks: tuple[Duck, Duck], check: Check
    ) -> None:
        self._stores = stores
        self._regions = stores.regions
        self._id = table_id
        self._duck, self._observer = ducks
        self._check = check
        self._changes: list[Changes] = []
        self._new: frozenset[int] = frozenset()

    def run(self, plan: Callable[[Table], Change]) -> None:
        """Copies, catches up, swaps, and removes what is not needed any more."""
        before = self._committed()
        if before is None:
            raise DbError(ErrorKind.UNDEFINED_TABLE, "the table was dropped meanwhile")
        self._stores.alterations.settle(before.region_ids)
        change = plan(before)
        sources = change.sources()
        transaction = self._stores.begin(self._duck)
        try:
            after = self._create(transaction, change)
            self._changes = [self._regions.follow(region_id) for region_id in sources]
            self._copy(after)
            self._swap(transaction, before, after)
        except DbError as error:
            transaction.rollback()
            if self._committed() != before:
                raise _changed(before) from error
            raise
        except BaseException:
            transaction.rollback()
            raise
        finally:
            for changes in self._changes:
                changes.close()
        # ALTER DATABASE may have given all its regions new options while there were only old ones.
        self._stores.alterations.follow(self._observer.cursor, self._id)
        for region_id in sources:
            self._regions.drop(region_id)

    def _committed(self) -> Table | None:
        """The table as others see it."""
        return self._stores.layouts.catalog.table_of(self._observer.cursor, self._id)

    def _create(self, transaction: Transaction, change: Change) -> Table:
        """The new regions, empty; gives the table that names them."""
        table = change.table
        count = sum(region is None for region in change.kept)
        made = new_region_ids(table, count, self._regions.region_ids())
        self._new = frozenset(made)
        fresh = iter(made)
        after = replace(table, region_ids=tuple(r or next(fresh) for r in change.kept))
        catalog = self._stores.layouts.catalog
        options = region_options(after, catalog.database(self._observer.cursor, after.database))
        for region_id in made:
            transaction.create_region(region_id, after.region_schema(), options)
        return after

    def _copy(self, after: Table) -> None:
        """Copies rounds of changes until one was small."""
        for _ in range(ROUNDS_MAX):
            if self._round(after) <= SETTLED_ROWS:
                return

    def _round(self, after: Table, *, last: bool = False) -> int:
        """Brings the new regions up to date with the old ones; gives the number of rows."""
        count = 0
        for changes in self._changes:
            for op, rows in changes.advance(last=last):
                for piece in _pieces(rows):
                    self._check()
                    self._regions.write(self._routed(after, op, piece))
                count += rows.num_rows
        return count

    def _routed(self, after: Table, op: Op, rows: pa.Table) -> Sequence[Write]:
        writes = writes_of(after, op, rows)
        if any(write.region_id not in self._new for write in writes):
            raise DbError(
                ErrorKind.CORRUPTED,
                f'a region of "{after.name}" has rows of another partition',
                hint="run gnomon doctor on the data directory",
            )
        return writes

    def _swap(self, transaction: Transaction, before: Table, after: Table) -> None:
        """The last changes and the commit, while writers wait."""
        transaction.change_store()
        catalog = self._stores.layouts.catalog
        catalog.put_table(self._duck.cursor, after)  # other changes of the table wait from here on
        if self._committed() != before:
            raise _changed(before)
        for _ in range(ATTEMPTS_MAX):
            with self._stores.layouts.gates.alone(self._id, ALONE_SECONDS) as free:
                if free:
                    self._round(after, last=True)
                    transaction.commit()
                    return
            self._round(after)
        raise DbError(
            ErrorKind.REGION_BUSY,
            f'writers of "{before.name}" do not come to an end',
            hint="try again when the server is less busy",
        )


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows in tables of bounded size."""
    size = max(1, rows.num_rows * PIECE_BYTES // max(rows.nbytes, 1))
    for start in range(0, rows.num_rows, size):
        yield rows.slice(start, size)


def _changed(table: Table) -> DbError:
    return DbError(
        ErrorKind.SERIALIZATION_FAILURE,
        f'table "{table.name}" was changed while it was being repartitioned',
        hint="try again",
    )
