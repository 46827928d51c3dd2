"""A session's transaction over both stores: DuckDB's own, and staged writes for the region engine.

DuckDB has no savepoints, and any error ends its whole transaction. So every statement that changed
something is remembered; going back to an earlier point (ROLLBACK TO, or a failed statement on a
wire whose transactions survive those) starts DuckDB's transaction afresh and runs what stays again,
with the same values of clocks, sequences and ids. If only staged rows go, nothing is run again.

I1. Staged rows are visible to their own session only, until COMMIT.
I2. A transaction that touched both stores has one deciding moment, DuckDB's COMMIT: the regions'
    rows are in the log as prepared before it, and its transaction id is stored by it. Recovery
    (sql/database.py) applies a prepared record exactly if that id is there.
I3. Regions made by the transaction are dropped by its rollback; regions it dropped go after COMMIT.
I4. Rows that a statement read in order to write (UPDATE, ON CONFLICT, MERGE) are as it read them
    when the transaction commits; if another writer has changed one, the commit fails.
    If the transaction is serializable, all it has read counts (sql/serial.py).
I5. Regions are altered after COMMIT; until then rows are staged, and shown to the transaction, in
    the columns that it has given the table.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

from catalog.api import Catalog
from catalog.records import REGION_BITS, Table
from catalog.shapes import Shape
from catalog.store import SYSTEM_SCHEMA
from engine.api import Regions, Write
from engine.errors import DbError, ErrorKind
from engine.schema import RegionOptions, RegionSchema
from sql.alterations import Alterations
from sql.flows.ledger import Ledger
from sql.foreign.guard import KeyGuard
from sql.foreign.pending import PendingKeys
from sql.gate import CommitGate
from sql.partition.layout import Layouts
from sql.repeats import Repeats, not_repeated
from sql.run.duck import Duck
from sql.serial import Order
from sql.staged import reshaped, without_metric
from sql.steps import Expectation, Mark, Savepoint, Step, check_expected, index_of, run_all
from sql.temporary import TemporaryTables

T = TypeVar("T")


class Transaction:
    """One open transaction; `explicit` if the client began it."""

    def __init__(
        self,
        duck: Duck,
        catalog: Catalog,
        regions: Regions,
        alterations: Alterations,
        gate: CommitGate,
        layouts: Layouts,
        ledger: Ledger,
        guard: KeyGuard,
        *,
        explicit: bool,
        temporary: TemporaryTables | None = None,
        started_ms: int = 0,
    ) -> None:
        self.explicit = explicit
        self.started_ms = started_ms
        self.repeated_ms: int | None = None  # the clock of the step that is being run again
        self.failed = False
        self.read_only = False
        self.one_moment = False  # all queries of relational tables see the same
        self.order = Order(gate.serial)  # among serializable ones
        self.has_run = False  # a statement
        self.number = 0  # what txid_current() tells, once it was asked
        self._duck = duck
        self._catalog = catalog
        self._regions = regions
        self._alterations = alterations
        self._gate = gate
        self._layouts = layouts
        self._ledger = ledger
        self._guard = guard
        self.keys = PendingKeys()
        self._temporary = temporary if temporary is not None else TemporaryTables()
        self._temporary.begin()
        self._catalog_version = catalog.version  # before anything was staged
        self._staged: list[Write] = []
        self._expected: list[Expectation] = []
        self._created: dict[int, Shape] = {}
        self._altered: set[int] = set()  # table ids
        self._altered_databases: set[str] = set()
        self._dropped: list[int] = []
        self._steps: list[Step] = []
        self._savepoints: list[Savepoint] = []
        self._changed_store = False  # something in DuckDB was, or is about to be, written
        self._changed_tables: frozenset[int] | None = frozenset()  # whose rows; None: anything
        self._written: set[int] = set()  # relational tables of which statements wrote rows
        self._begun = False  # in DuckDB
        self._moment: int | None = None  # of its snapshot, where all it reads is of one
        self.repeats = Repeats(gate.changes)
        self._lost: DbError | None = None  # why it can only be rolled back
        self._is_torn = False  # a statement failed after it had changed something in DuckDB
        self._effects: list[Callable[[], object]] | None = []  # of the step; None: it has others
        self._fixed: list[object] = []  # of the step
        self._known: deque[object] = deque()  # of the step that is being run again
        self._sound = Mark(0, 0, 0)  # after the last statement that succeeded

    def _begin(self) -> None:
        if not self._begun:
            self._guard.begin(self.keys.claims)
            self.order.begin()
            self._moment = self._gate.changes.moment() if self.one_moment else None
            self._duck.execute("BEGIN TRANSACTION")
            self._begun = True

    def _begin_again(self, before: int | None) -> None:
        """Begins with the snapshot that was, or one like it. Raises: DbError."""
        self._begin()
        self._duck.execute(f"SELECT 1 FROM {SYSTEM_SCHEMA}.decisions LIMIT 1")  # it is taken now
        if before is None or before != self._gate.changes.moment():
            raise self.give_up("the moment that the transaction reads cannot be gone back to")

    @property
    def has_changes(self) -> bool:
        """True if a statement that has ended changed the catalog or a relational table."""
        return any(step.changed_store for step in self._steps)

    @property
    def sees_committed(self) -> bool:
        """True as long as its queries of relational tables see what is committed, and no more."""
        return not self._begun and not self.one_moment

    @property
    def changed_store(self) -> bool:
        """True once `change_store` was called."""
        return self._changed_store

    def change_store(
        self,
        effect: Callable[[], object] | None = None,
        *,
        rows_of: Table | None = None,
        by_key: bool = False,
    ) -> None:
        """Must be called before the catalog or a relational table is changed.

        `effect` makes just that change; without it the whole statement is run again when it has to
        be. `rows_of` promises that nothing but rows of that table will be changed, `by_key` that
        they are new or found by a locked key. A statement that only writes time-series rows needs
        no transaction of DuckDB's.
        """
        self.repeats.changed(by_key=by_key)
        if rows_of is None:
            self._changed_tables = None
        else:
            self._written.add(rows_of.id)
            if self._changed_tables is not None:
                self._changed_tables |= {rows_of.id}
        if effect is None:
            self._effects = None
        elif self._effects is not None:

            def again() -> None:
                self.change_store(effect, rows_of=rows_of, by_key=by_key)
                effect()

            self._effects.append(again)
        self._duck.settle()
        self._begin()
        self._changed_store = True

    def has_changed(self, table_id: int) -> bool:
        """True if rows of the table are, or may be, changed by what COMMIT would keep."""
        if self._changed_store and (
            self._changed_tables is None or table_id in self._changed_tables
        ):
            return True
        return any(write.region_id >> REGION_BITS == table_id for write in list(self._staged))

    def has_written(self, table_id: int) -> bool:
        """True if statements so far have written rows of the relational table."""
        return table_id in self._written

    @property
    def staged(self) -> Sequence[Write]:
        """Writes waiting for COMMIT, oldest first, for the regions their tables have now."""
        if self._catalog.version == self._catalog_version:
            return self._staged
        return self._layouts.settled(self._duck.cursor, self._staged)

    def stage(self, write: Write) -> None:
        """Adds rows for COMMIT to write."""
        if write.rows.num_rows:
            self._staged.append(write)

    def expect(self, expectation: Expectation) -> None:
        """COMMIT fails with SERIALIZATION_FAILURE unless this holds then."""
        self._expected.append(expectation)

    def create_region(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        """Makes a region that lives on only if the transaction commits."""
        self._created[region_id] = schema, options
        self._regions.create(region_id, schema, options)

    def drop_regions(self, region_ids: Sequence[int]) -> None:
        """Drops regions when (and only if) the transaction commits."""
        self._dropped += region_ids
        gone = {region_id >> REGION_BITS for region_id in region_ids}  # rows of whole tables
        self._staged = [w for w in self._staged if w.region_id >> REGION_BITS not in gone]
        self._expected = [e for e in self._expected if e.table_id not in gone]

    def drop_metric(self, table: Table) -> None:
        """Rows staged for a logical table in a series store are not written after all."""
        region_id = table.row_regions[0]
        staged, self._staged = self._staged, []
        for write in staged:
            self.stage(
                without_metric(write, table.metric) if write.region_id == region_id else write
            )

    def follow(self, table: Table) -> None:
        """At COMMIT the table's regions get the columns and options it has then.

        Rows staged for them are shown in its columns from now on. Raises: DbError UNSUPPORTED for
        staged deletions, when the table keeps all rows from now on.
        """
        self._altered.add(table.id)
        if table.is_store:
            table = table.samples
        regions = set(table.region_ids)
        self._staged = [
            reshaped(write, table) if write.region_id in regions else write
            for write in self._staged
        ]

    def follow_database(self, name: str) -> None:
        """At COMMIT the regions of all tables of a database get the options they have then."""
        self._altered_databases.add(name)

    @property
    def can_repeat(self) -> bool:
        """True if its steps may be run again over a newer snapshot (sql/repeats.py)."""
        return self.explicit and not self.one_moment and Repeats.are_exact(self._steps)

    # Going back.

    def fixed(self, make: Callable[[], T]) -> T:
        """A value that stays the same when the statement is run again: an id, a sequence's next.

        It is made again all the same: a sequence is durable only as far as the transaction that
        commits has used it.
        """

        def again() -> None:
            if self._effects is not None:
                self._effects.append(again)
            self._duck.settle()
            self._begin()
            make()

        if self._effects is not None:
            self._effects.append(again)
        made = make()
        value: T = self._known.popleft() if self._known else made  # type: ignore[assignment]
        self._fixed.append(value)
        return value

    @contextmanager
    def step(self, again: Callable[[], object], moment_ms: int = 0) -> Iterator[None]:
        """Around a statement: if it succeeds and changed something, `again` can repeat it."""
        self.has_run = True
        if self.one_moment:
            self._begin()
        before, self._changed_store = self._changed_store, False
        self._effects, self._fixed = [], []
        self.repeats.begin_step()
        try:
            yield
        except BaseException:
            self._is_torn = self._is_torn or self._changed_store
            raise
        finally:
            changed, self._changed_store = self._changed_store, self._changed_store or before
        self._remember(again, changed, moment_ms)

    def adopt(self, again: Callable[[], object], moment_ms: int = 0) -> None:
        """The statement that has just succeeded began the transaction: it is its first step."""
        self._remember(again, self._changed_store, moment_ms)

    def _remember(self, again: Callable[[], object], changed: bool, moment_ms: int) -> None:
        staged = tuple(self._staged[self._sound.staged :])
        if changed or staged:
            expected = tuple(self._expected[self._sound.expected :])
            effects = self._effects
            if changed and effects and not staged:
                again = partial(run_all, effects)
            exact, fixed = self.repeats.step_is_exact, tuple(self._fixed)
            self._steps.append(Step(again, changed, staged, expected, fixed, moment_ms, exact))
        self.repeats.begin_step()
        self._sound = self._mark()

    def _mark(self) -> Mark:
        return Mark(len(self._steps), len(self._staged), len(self._expected))

    def savepoint(self, name: str) -> None:
        """Marks a point to go back to; a later one of the same name hides it."""
        self._savepoints.append(Savepoint(name, self._mark()))

    def release(self, name: str) -> None:
        """Forgets a savepoint and those after it. Raises: DbError UNDEFINED_SAVEPOINT."""
        del self._savepoints[self._find(name) :]

    def rollback_to(self, name: str) -> None:
        """Undoes what came after a savepoint, which stays. Raises: DbError (see `release`)."""
        index = self._find(name)
        del self._savepoints[index + 1 :]
        self._go_back(self._savepoints[index].mark)
        self.failed = False

    def recover(self) -> None:
        """Makes the transaction usable again after an error that shall not count.

        Raises: DbError SERIALIZATION_FAILURE; the transaction can only be rolled back then.
        """
        self._duck.settle()
        self._go_back(self._sound)

    def _go_back(self, mark: Mark) -> None:
        undone = self._steps[mark.steps :]
        del self._steps[mark.steps :]
        is_intact = not self._is_torn and not any(step.changed_store for step in undone)
        if is_intact and not (self._begun and self._duck.is_aborted()):
            del self._staged[mark.staged :]
            del self._expected[mark.expected :]
            self._sound = mark
        else:
            self.restart()

    def restart(self) -> None:
        """Starts DuckDB's transaction afresh and repeats the steps that stay.

        Names stay locked meanwhile. Raises: DbError SERIALIZATION_FAILURE if a step fails now.
        """
        steps, self._steps = self._steps, []
        savepoints, self._savepoints = deque(self._savepoints), []
        had_moment = self._begun and self.one_moment
        self._undo(keep_names=True)
        self._changed_store = self._is_torn = False
        if had_moment:
            self._begin_again(self._moment)
        try:
            for step in steps:
                self._mark_again(savepoints)
                self._repeat(step)
        except DbError as error:
            what = f"an earlier statement of the transaction cannot be kept: {error.message}"
            raise self.give_up(what) from error
        finally:
            self.repeated_ms = None
            self._known.clear()
        self._mark_again(savepoints)
        self._sound = self._mark()

    def _mark_again(self, savepoints: deque[Savepoint]) -> None:
        """Savepoints that lay here lie here again; steps may have staged in other pieces."""
        while savepoints and savepoints[0].mark.steps == len(self._steps):
            self.savepoint(savepoints.popleft().name)

    def _repeat(self, step: Step) -> None:
        if step.changed_store:
            self._known = deque(step.fixed)
            self.repeated_ms = step.moment_ms
            with self.step(step.again, step.moment_ms):
                step.again()
        else:
            self._staged += step.staged
            self._expected += step.expected
            self._steps.append(step)
            self._sound = self._mark()

    def give_up(self, why: str) -> DbError:
        """It is not what its client was told and can only be rolled back, whole: the error."""
        self.failed = True
        self._lost = not_repeated(why)
        return self._lost

    def _find(self, name: str) -> int:
        if self._lost is not None:
            raise self._lost
        return index_of(self._savepoints, name)

    def commit(self) -> None:
        """Makes everything durable and visible.

        Raises: DbError. Nothing was changed then, unless the failure came after the decision (I2):
        the transaction has committed, and the next start shows rows that are still missing.
        """
        with ExitStack() as stack:
            try:
                alone = {expectation.table_id for expectation in self._expected}
                writing = self._layouts.writing(self._duck.cursor, self._staged, alone)
                self._staged = stack.enter_context(writing)
                check_expected(self._expected)
                stack.enter_context(self._ledger.writing(self._staged))
                if self._begun or self._temporary:
                    self._temporary.before_commit(self._duck.execute)
                if self._begun:
                    stack.enter_context(self._gate.passing())
                series = {write.region_id >> REGION_BITS for write in self._staged}
                defines = self._changed_store and self._catalog.state(self._duck.cursor) < 0
                self.order.commit(self._written, series, more=defines)
                prepared = self._decide()
            except BaseException:
                self.rollback()
                raise
            self._temporary.commit()
            try:
                self._publish(prepared)
            finally:
                self.ended(committed=True)

    def ended(self, *, committed: bool) -> None:
        """Others need not know it any more; called from outside if it has changed nothing."""
        self._guard.end(self.keys.claims, committed=committed)
        self.order.end(committed=committed)

    def _publish(self, prepared: str | None) -> None:
        """Shows what the transaction has done."""
        self._alterations.publish(
            self._duck.cursor, self._altered, self._altered_databases, self._created
        )
        if prepared is not None:
            self._alterations.settle(write.region_id for write in self._staged)
            self._regions.commit_prepared(prepared)
        for region_id in self._dropped:
            self._regions.drop(region_id)

    def _decide(self) -> str | None:
        """After this the transaction has committed; gives the id of rows still to be shown."""
        if not (self._staged and self._changed_store):
            self._end("COMMIT")
            if self._staged:
                self._alterations.settle(write.region_id for write in self._staged)
                self._regions.write(self._staged)
            return None
        transaction_id = uuid.uuid4().hex
        self._duck.execute(f"INSERT INTO {SYSTEM_SCHEMA}.decisions VALUES (?)", [transaction_id])
        self._regions.prepare(transaction_id, self._staged)
        try:
            self._end("COMMIT")
        except DbError:
            self._regions.abort_prepared(transaction_id)
            raise
        return transaction_id

    def _end(self, how: str) -> None:
        if self._begun:
            self._begun = False
            try:
                if how == "COMMIT":
                    loose = self.repeats.loose
                    with self._gate.changes.changing(self._changed_tables, loose=loose):
                        self._duck.execute(how)
                else:
                    self._duck.execute(how)
            finally:
                if self._changed_store and (how == "COMMIT" or not self._duck.tries_again):
                    self._gate.left()

    def rollback(self) -> None:
        """Undoes everything."""
        try:
            self._undo(keep_names=False)
        finally:
            self.ended(committed=False)

    def _undo(self, *, keep_names: bool) -> None:
        self._staged.clear()
        self._expected.clear()
        self.keys.written.clear()
        self._sound = Mark(0, 0, 0)
        self._temporary.rollback()
        try:
            self._end("ROLLBACK")
        except DbError as error:
            # A COMMIT that failed has already ended DuckDB's transaction: nothing is left to undo.
            if error.kind not in (ErrorKind.SERIALIZATION_FAILURE, ErrorKind.FAILED_TRANSACTION):
                raise
        finally:
            self._catalog.rollback(self._duck.cursor, keep_names=keep_names)
            for region_id in self._created:
                self._regions.drop(region_id)
            self._created.clear()
            self._altered.clear()
            self._altered_databases.clear()
            self._dropped.clear()
