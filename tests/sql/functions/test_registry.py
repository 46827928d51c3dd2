"""The registry is consistent, and everything that is derived from it is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from sql.functions.document import document
from sql.functions.expansion import is_typed, parameters_of
from sql.functions.index import FUNCTIONS, HELPERS
from sql.functions.listing import offered, oid
from sql.functions.registry import PREFIX, ArrowFunction, Macro
from sql.session import Wire

_PAGE = Path(__file__).parents[3] / "docs" / "functions.md"


def test_the_page_is_up_to_date() -> None:
    assert _PAGE.read_text(encoding="utf-8") == document(), (
        "run: python -m sql.functions.document > docs/functions.md"
    )


@pytest.mark.parametrize("wire", list(Wire))
def test_no_name_means_two_things_on_one_wire(wire: Wire) -> None:
    names = [(name, f.signature) for f in FUNCTIONS if wire in f.wires for name in f.names]
    repeated = {name for name, _ in names if [n for n, _ in names].count(name) > 1}
    assert not repeated


def test_oids_are_unique() -> None:
    oids = [oid(name, entry) for name, entry in offered(Wire.POSTGRES)]
    assert len(oids) == len(set(oids))


def test_installed_names_are_unique() -> None:
    ours = [f.engine_name for f in FUNCTIONS if isinstance(f.how, (Macro, ArrowFunction))]
    names = ours + [PREFIX + name for name in HELPERS]
    assert len(names) == len(set(names))


def test_overloads_of_one_length_differ_in_types() -> None:
    for entry in FUNCTIONS:
        if isinstance(entry.how, Macro) and not is_typed(entry.how.overloads):
            lengths = [len(parameters_of(overload)) for overload in entry.how.overloads]
            assert len(lengths) == len(set(lengths)), entry.signature


def test_signatures_tell_a_result() -> None:
    for entry in FUNCTIONS:
        assert " -> " in entry.signature, entry.signature
        assert entry.doc.endswith("."), entry.signature
