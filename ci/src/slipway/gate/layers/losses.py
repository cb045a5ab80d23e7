"""Losses: tables, columns, rows and values that a revision removes or changes, found by comparing rows before and after its steps."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from slipway.gate.layers.snapshots import Back, Snapshot
from slipway.gate.measure.catalog import Change
from slipway.gate.measure.session import literal, query, taken_back


@dataclass(frozen=True)
class Loss:
    """The loss of a table's rows or a column's values, in words."""

    name: str
    words: str


@dataclass(frozen=True, kw_only=True)
class LossyConversion(Loss):
    """The loss of a column's values through its new type.

    - by_cast: whether the new values are those of a cast. Otherwise the statement computed them, and only a downgrade
      can restore the old ones.
    """

    table: str
    column: str
    type: str
    by_cast: bool


def dropped_with_values(before: Snapshot, upgraded: Snapshot, back: Back) -> Iterator[Loss]:
    """Yield tables and columns that the upgrade removed with values, unless the downgrade restores them (`back`)."""
    for oid, table in before.names.items():
        if oid not in upgraded.names and len(back.get(table, [])) < before.counts[oid]:
            yield _lost_table(table, before.counts[oid])
    for (oid, number), name in before.columns.items():
        values, table = before.values[oid, number], before.names[oid]
        is_gone = oid in upgraded.names and (oid, number) not in upgraded.columns
        if is_gone and _kept(values) - _kept([row.get(name) for row in back.get(table, [])]):
            yield _lost_column(table, name, values)


def dropped_by_failing_upgrade(change: Change, before: Snapshot) -> Iterator[Loss]:
    """Yield tables and columns with values that a failing upgrade would remove, unless they may be renamed."""
    kinds = {line.kind for line in change.added}
    # perhaps the same object under a new name
    alike = {(line.name.rpartition(".")[0], line.definition) for line in change.added}
    added = {line.name for line in change.added}
    gone = {line.name: line for line in change.removed if line.kind in ("table", "column") and line.name not in added}
    for oid, table in before.names.items():
        if table in gone and "table" not in kinds and before.counts[oid]:
            yield _lost_table(table, before.counts[oid])
    for (oid, number), name in before.columns.items():
        table, values = before.names[oid], before.values[oid, number]
        line = None if table in gone else gone.get(f"{table}.{name}")
        if line and (table, line.definition) not in alike and _kept(values):
            yield _lost_column(table, name, values)


def _lost_table(table: str, rows: int) -> Loss:
    return Loss(table, f"the table {table}, which held {rows} rows")


def _lost_column(table: str, column: str, values: Sequence[Any]) -> Loss:
    held = f"held values in {_kept(values).total()} of {len(values)} rows"
    return Loss(f"{table}.{column}", f"the column {table}.{column}, which {held}")


def deleted_rows(before: Snapshot, upgraded: Snapshot, back: Back) -> Iterator[Loss]:
    """Yield the rows that the upgrade deleted, unless the downgrade restores them (`back`)."""
    for oid, table in before.names.items():
        held, left = before.counts[oid], upgraded.counts.get(oid)
        if left is not None and left < held and len(back.get(table, [])) < held:
            yield Loss(table, f"{held - left} of {held} rows of {table} are gone")


def replaced_tables(before: Snapshot, upgraded: Snapshot, by_name: Back) -> Iterator[Loss]:
    """Yield the renamed tables whose earlier name now belongs to a relation with fewer rows. `by_name` are the rows under the earlier names."""
    for oid, table in before.names.items():
        held, now = before.counts[oid], upgraded.names.get(oid, table)
        if now != table and len(by_name.get(table, [None] * held)) < held:
            yield Loss(table, f"{table} has {len(by_name[table])} of its {held} rows now; the others are in {now}")


def nulled_values(before: Snapshot, after: Snapshot, back: Back) -> Iterator[Loss]:
    """Yield columns with values that are now NULL and stay NULL after the downgrade.

    `back` are the rows after the downgrade.
    """
    for key, name in before.columns.items():
        oid, table = key[0], before.names[key[0]]
        if key not in after.columns or after.counts[oid] != before.counts[oid]:
            continue
        held, left = _kept(before.values[key]).total(), _kept(after.values[key]).total()
        if left < held and _kept([row.get(name) for row in back.get(table, [])]).total() < held:
            yield Loss(f"{table}.{name}", f"{held - left} of {held} values of {table}.{name} are NULL now")


def lost_by_downgrade(before: Snapshot, upgraded: Snapshot, back: Back) -> Iterator[Loss]:
    """Yield rows and values that the upgrade kept and the downgrade lost or changed, under their earlier names."""
    for oid, table in before.names.items():
        if oid not in upgraded.names or table not in back:
            continue
        kept_rows = min(before.counts[oid], upgraded.counts[oid])
        if len(back[table]) < kept_rows:
            yield Loss(table, f"{kept_rows - len(back[table])} of {kept_rows} rows of {table} are gone")
        if len(back[table]) < before.counts[oid]:
            continue  # it is unknown which of the values are missing
        kept = [(key, name) for key, name in before.columns.items() if key[0] == oid and key in upgraded.columns]
        for key, name in kept:
            values = _kept(before.values[key])
            if lost := values - _kept([row.get(name) for row in back[table]]):
                words = f"{lost.total()} of {values.total()} values of {table}.{name} are lost or changed"
                yield Loss(f"{table}.{name}", words)


def lossy_conversions(connection: Any, before: Snapshot, upgraded: Snapshot) -> Iterator[LossyConversion]:
    """Yield values that a new type changed, found by casting them back. Types without such a cast are skipped."""
    for key, name in upgraded.columns.items():
        was, now = before.types.get(key), upgraded.types[key]
        if was is None or was == now or upgraded.counts[key[0]] != before.counts[key[0]]:
            continue
        values = _kept(before.values[key])
        if _differ_in_zone(was, now) and len(_kept(upgraded.values[key])) == len(values):
            continue  # AT TIME ZONE shifts the value, and no cast reverses that
        table = before.names[key[0]]
        if lost := values - _kept(_cast(connection, upgraded.names[key[0]], name, was, before.values[key])):
            words = f"{lost.total()} of {values.total()} values of {table}.{name} change when they are cast from {now} back to {was}"
            made = _cast_of(connection, before.values[key], was, now)
            by_cast = made is None or made == _kept(upgraded.values[key])
            yield LossyConversion(f"{table}.{name}", words, table=table, column=name, type=now, by_cast=by_cast)


def _differ_in_zone(was: str, now: str) -> bool:
    """Return whether two types hold the same times, one with a zone and one without."""
    return was.startswith("timestamp") and was.replace("without", "with") == now.replace("without", "with")


def _cast(connection: Any, table: str, column: str, kind: str, otherwise: Sequence[Any]) -> Sequence[Any]:
    """Return a column's values cast to a type; `otherwise` when there is no such cast."""
    quoted = column.replace('"', '""')
    try:
        with taken_back(connection):
            ((text,),) = query(connection, f'SELECT jsonb_agg(to_jsonb("{quoted}"::{kind}))::text FROM {table}')
    except Exception:  # noqa: BLE001 -- an error of any driver
        return otherwise
    values: list[Any] = json.loads(text)
    return values


def _cast_of(connection: Any, values: Sequence[Any], was: str, now: str) -> "Counter[str] | None":
    """Return the results of casting values that were read as JSON; nothing when the cast fails.

    Return None for a type whose JSON form differs from Postgres' text.
    """
    texts = f"FROM jsonb_array_elements_text({literal(json.dumps(values))}::jsonb) text"
    made: Counter[str] | None = None
    with suppress(Exception):  # the error of any driver
        for cast in (was, f"{was}::{now}"):
            with taken_back(connection):
                ((text,),) = query(connection, f"SELECT jsonb_agg(to_jsonb(text::{cast}))::text {texts}")
            made = _kept(json.loads(text)) if cast != was else Counter()
    return made


def _kept(values: Sequence[Any]) -> "Counter[str]":
    """Count the values except NULL, because replacing NULL is no loss."""
    return Counter(json.dumps(value, sort_keys=True) for value in values if value is not None)
