"""Would our tests notice if the gate were wrong? Each of these lines is broken, and the test that guards it must fail."""

import gc
import importlib
import importlib.util
import json
import multiprocessing
import os
import re
import sys
from dataclasses import asdict
from functools import cache
from importlib.abc import MetaPathFinder
from pathlib import Path

import hypothesis  # noqa: F401 -- once, and not in each fork
import pytest

import slipway

HERE = Path(__file__).parent
SLIPWAY = Path(slipway.__file__).parent
MEASURE = SLIPWAY / "gate/measure"
TRACE = "test_locks_and_trace.py::test_"
EFFECT = f"{TRACE}an_effect_is_what_changed_between_two_looks"
BLOCKS_TO_THE_END = f"{TRACE}a_lock_is_named_at_the_statement_that_took_it_and_blocks_until_the_end"
ROLES = "test_roles.py::test_"
DIRECT = "test_direct_statements.py::test_"
UNSEEN = f"{DIRECT}effects_of_statements_that_were_not_seen_are_found_in_the_catalog"
CONNECTIONS = "test_connections.py::test_"
TOGETHER = "test_together.py::test_"
NEW_LABEL = f"{TOGETHER}a_label_of_an_enum_used_in_the_next_revision_fails_where_env_py_runs_both_in_one_transaction"
FROM_EMPTY = (
    "test_from_empty.py::test_a_revision_that_only_an_empty_database_breaks_is_an_error[a deferred check is pending]"
)
NOT_EXECUTED = "test_executed.py::test_an_old_revision_that_fails_is_an_error_of_the_first_new_one[a missing role]"
CHANGE = "test_catalog.py::test_a_change_is_noticed_in_its_own_transaction"
COMMITTED = "test_catalog.py::test_a_change_is_noticed_when_it_was_committed_too"

# The killing test, the file as seen from gate/measure, the code, the broken code.
MUTATIONS = {
    "SHARE blocks no session": (f"{TRACE}a_new_index_is_not_yet_in_a_readers_way", "locks.py", "_BLOCKS_WRITERS = _MODES[4:]", "_BLOCKS_WRITERS = _MODES[5:]"),
    "readers pass ACCESS EXCLUSIVE": (BLOCKS_TO_THE_END, "locks.py", "_BLOCKS_READERS = _MODES[7:]", "_BLOCKS_READERS = _MODES[8:]"),
    "the weakest lock is named": (f"{TRACE}the_strongest_new_lock_on_each_table_is_named[CREATE TABLE n (p_id int REFERENCES p)-locks8]", "locks.py", "return max(modes.inter", "return min(modes.inter"),
    "an earlier lock is named again": (BLOCKS_TO_THE_END, "locks.py", "_strongest(now.modes - was.modes)", "_strongest(now.modes)"),
    "no rewrite is seen": (EFFECT, "locks.py", "if now.filenode > max(", "if now.filenode < min("),
    "a file of the same revision counts as rewritten": (f"{TRACE}an_unchanged_table_has_no_effect", "locks.py", "now.filenode > max(was.filenode, newest_oid)", "now.filenode != was.filenode"),
    "no scan is seen": (EFFECT, "locks.py", "if now.scans > was.scans", "if now.scans > was.scans + 9"),
    "no index is read": (f"{TRACE}rows_that_an_update_finds_by_an_index_are_a_scan_unless_it_is_unique", "locks.py", "now.ranges > was.ranges", "False"),
    "a block that finds rows by an index is overlooked": ("test_rows.py::test_a_whole_table_is_written_however_the_statement_is_spelled", "locks.py", "_ROWS_WRITTEN in now.modes", "None in now.modes"),
    "changes by another session are overlooked": ("test_reversibility_rules.py::test_schemas_are_compared_also_where_another_session_changes_them", "../layers/stairway.py", "catalog.read(by_others=others)", "catalog.read()"),
    "no index is seen": (EFFECT, "locks.py", "any(index > newest_oid", "all(index < newest_oid"),
    "an index that took over a file counts as built": (f"{TRACE}an_index_that_takes_over_the_file_of_the_one_before_is_not_built", "locks.py", "AND x.relfilenode >= x.oid), c.relkind", "), c.relkind"),
    "a lock on an index is none on its table": (f"{TRACE}a_lock_on_an_index_blocks_all_readers_of_its_table", "locks.py", "coalesce(indrelid, relation) AS relation", "relation"),
    "scans of earlier transactions count": (f"{TRACE}work_of_earlier_revisions_is_not_counted_again", "locks.py", "self._counted.get(oid, Table())", "Table()"),
    "a new table counts": (f"{TRACE}a_new_index_is_not_yet_in_a_readers_way", "locks.py", "AND relation::int8 <= $1", "AND relation::int8 <= $1 + 99999"),
    "autocommit statements are not measured": (f"{TRACE}a_statement_that_is_its_own_transaction_is_measured", "trace.py", "running.rehearsed = self._rehearse(", "self._rehearse("),
    "a rehearsal is committed": (f"{TRACE}a_rehearsed_statement_is_executed_once", "trace.py", 'cursor.execute("ROLLBACK")', 'cursor.execute("COMMIT")'),
    "alembic's own table counts": (f"{TRACE}locks_on_alembics_own_table_are_not_recorded", "trace.py", "if name is None or is_table(name, self._version_table) else", "if name is None else"),
    "the outermost line is reported": (f"{TRACE}a_statement_in_a_function_of_the_revision_has_the_line_in_that_function", "place.py", "next(lines, None)", "max(lines, default=None)"),
    "a raw cursor is taken for SQLAlchemy's": (f"{DIRECT}statements_on_the_drivers_own_cursor_are_recorded_each_with_its_line", "drivers.py", "return frame is None or", "return frame is None and"),
    "a coroutine has no line": (f"{DIRECT}statements_of_a_coroutine_have_its_lines", "place.py", "while greenlet is not None and", "while False and"),
    "the end of a transaction is not compared": (UNSEEN, "trace.py", "in self._transactions.items():", "in ():"),
    "the files after a revision are not compared": (UNSEEN, "trace.py", "for each in moved(", "for each in () and moved("),
    "definitions are not part of the fingerprint": (f"{CHANGE}[ALTER TABLE plain ALTER COLUMN id TYPE bigint]", "catalog.py", r"\0{self.name}\0{self.definition}", r"\0{self.name}"),
    "removed lines stay in the sum": ("test_catalog.py::test_an_undone_change_restores_the_fingerprint", "catalog.py", "- sum(line.number() for line in self.removed)", ""),
    "NOT NULL is overlooked": (f"{CHANGE}[ALTER TABLE parent ALTER COLUMN a SET NOT NULL]", "system_catalogs.py", "CASE WHEN r.attnotnull THEN 'not null' END,", ""),
    "a default is overlooked": (f"{CHANGE}[ALTER TABLE parent ALTER COLUMN b SET DEFAULT 'y']", "system_catalogs.py", "|| pg_get_expr(f.adbin, f.adrelid),", ","),
    "a new enum value is overlooked": (f"{COMMITTED}[ALTER TYPE kind ADD VALUE 'two']", "system_catalogs.py", 'versions=("r", "l"),', ""),
    "an invalid index is valid": ("test_catalog.py::test_an_index_that_is_not_valid_is_another_than_one_that_is", "system_catalogs.py", "CASE WHEN NOT r.indisvalid THEN 'INVALID' END,", ""),
    "a disabled trigger is enabled": (f"{CHANGE}[ALTER TABLE parent DISABLE TRIGGER touched]", "system_catalogs.py", "CASE r.tgenabled WHEN 'O' THEN '' ELSE format(' enabled %s', r.tgenabled) END", "''"),
    "the first trigger or function stays unseen": ("test_catalog.py::test_an_incremental_reading_equals_a_full_one", "catalog.py", "concat({_RARE}, ' ', {_UNTOLD})", "concat(false, ' ', {_UNTOLD})"),
    "dropped objects stay": (f"{CHANGE}[DROP STATISTICS stats]", "catalog.py", "for key in gone if (line", "for key in () if (line"),
    "a rename is not followed": (f"{CHANGE}[ALTER TABLE parent RENAME TO elder]", "catalog.py", "        if renamed:\n", "        if False:\n"),
    "a commit is not noticed": (f"{COMMITTED}[ALTER TYPE kind ADD VALUE 'two']", "catalog.py", "if self._state.transaction != self._transaction or", "if"),
    "changes without a lock are overlooked": (f"{CHANGE}[ALTER DOMAIN positive DROP CONSTRAINT above]", "catalog.py", "or self._state.untold != before.untold", ""),
    "another server is not recognised": (f"{CONNECTIONS}a_connection_that_cannot_be_redirected_is_refused_before_its_first_statement", "../../migration/database.py", "if not is_ours:", "if False:"),
    "drivers are not redirected": (f"{CONNECTIONS}drivers_other_engines_and_programs_of_a_revision_are_redirected_there_too", "../redirection.py", "if name in sys.modules:", "if False:"),
    "the new revisions are not run together": (NEW_LABEL, "../evidence.py", "if Layer.TOGETHER in layers and stairway.is_complete:", "if False:"),
    "each new revision gets its own transaction": (NEW_LABEL, "../layers/together.py", "self._steps, **self.options)", "self._steps, transaction_per_migration=True)"),
    "no run begins on an empty database": (FROM_EMPTY, "../evidence.py", "if self.is_asked and self.evidence.left is None:", "if False:"),
    "what the old revisions leave is not noted": ("test_template_cache.py::test_old_revisions_are_run_again_only_for_what_they_leave_and_a_new_one_may_meet[op.execute('CREATE TEMP TABLE parts (id int)')--1]", "../layers/from_empty.py", "if self.state or self.events or", "if self.events or"),
    "new revisions are run together without rows": (f"{TOGETHER}what_only_rows_leave_for_the_end_of_the_transaction_is_found", "../layers/together.py", "        if with_rows:\n", "        if False:\n"),
    "no new connection looks for the head": (f"{TOGETHER}an_env_py_that_never_commits_is_the_only_error", "../layers/together.py", "seen=with_connection(self.database, self._seen)", "seen=self.baseline.history.heads"),
    "revisions run as a superuser": (f"{ROLES}revisions_run_as_the_main_user_of_rds", "role.py", "AND NOT rolsuper AND", "AND rolsuper AND"),
    "row-level security holds for seeds": (f"{ROLES}statements_from_which_row_level_security_hides_rows_are_errors", "../layers/hidden_rows.py", "with as_superuser(connection), without_forced_security(connection):", "with nullcontext():"),
    "a grant on a column is overlooked": (f"{CHANGE}[GRANT SELECT (a) ON parent TO pg_monitor]", "catalog.py", " UNION {_REWRITTEN_COLUMNS} UNION", " UNION"),
    "an old revision's failure explains the new ones": (NOT_EXECUTED, "../findings/schema.py", "finding.fails and finding.revision in failed", "finding.revision in failed"),
    "an allowed failure has passed": ("test_executed.py::test_a_failure_that_a_comment_allows_is_still_not_executed[U01]", "../findings/schema.py", "finding.fails and finding.revision in failed", "finding.revision in failed"),
    "the revisions that were not executed count as executed": (NOT_EXECUTED, "../prove.py", "revision in evidence.stairway.skipped", "False"),
    "what was not executed is no gap": (NOT_EXECUTED, "../prove.py", "if stairway and stairway.skipped:", "if not stairway:"),
    "a level turns off what was not executed": ("test_gate_command.py::test_a_level_that_is_none_is_bad_input[level2-[tool.slipway.migrations] levels: U02 cannot be 'off': what was not executed is always an error]", "../judge.py", "if rule in UNPROVEN and", "if rule in () and"),
    "equal values are not tried without a previous release": ("test_compatibility.py::test_without_a_previous_release_the_schema_before_a_revision_takes_its_place[ALTER TABLE jobs ADD UNIQUE (name)-expected5]", "../layers/compatibility.py", "[key.columns for key in keys if key.table == table.name]", "[]"),
    "a table whose model does not build counts as missing": ("test_drift.py::test_a_new_revision_of_a_table_whose_model_does_not_build_is_not_passed", "../layers/drift.py", "and not self._concerns_unbuilt(item)", "and item"),
    "what could not be tested is passed": ("test_executed.py::test_a_previous_release_whose_models_are_unknown_is_in_the_verdict", "../prove.py", "Layer.PREVIOUS: evidence.replay.missing", "Layer.PREVIOUS: ''"),
    "a chosen number is overlooked": ("test_rows.py::test_a_number_that_the_revision_chooses_may_exist_in_production[INSERT INTO notes (id, title) VALUES (1, 'first') ON CONFLICT DO NOTHING-names0]", "../findings/data.py", "if each.is_numbered and not name", "if not each.is_numbered and not name"),
    "a dropped partition is no loss": ("test_rows.py::test_a_partition_is_dropped_with_its_rows[op.execute('DROP TABLE e25')--The upgrade drops]", "../findings/data.py", "if parents and gone.isdisjoint(parents) and", "if not parents and"),
    "no row is made for a query": ("test_rows.py::test_code_behind_a_query_is_executed_on_a_row_that_the_query_finds_or_named_in_the_verdict", "../layers/planted_rows.py", "        if known:\n", "        if False:\n"),
    "a comparison shows no value": ("test_conditions.py::test_each_value_belongs_to_the_table_whose_alias_its_column_has", "../layers/conditions.py", "values.setdefault(key, value)", "pass"),
    "a read value may have another type": ("test_compatibility.py::test_a_value_that_the_previous_release_reads_keeps_its_type[models]", "../layers/read_types.py", "if _ALIKE.get(was, was) != _ALIKE.get(kind, kind):", "if False:"),
    "a remedy cannot be run again": ("test_remedies.py::test_the_remedy_for_a_detached_partition_runs_again_after_an_interruption", "../rulebook/waiting.py", "    if pending is not None:  # otherwise", "    if True:  # otherwise"),
}  # fmt: skip


def module_of(file):
    return ".".join((MEASURE / file).resolve().relative_to(SLIPWAY.parent).with_suffix("").parts)


MUTATED = {module_of(file) for _, file, *_ in MUTATIONS.values()}
# Plugins cost each fork more than its test: of those that are installed it has only anyio.
OPTIONS = ["-x", "-q", "--tb=no", "-pno:cacheprovider", "-pno:unraisableexception", "-pno:threadexception", "-panyio"]

pytestmark = pytest.mark.slow


class _Replaced(MetaPathFinder):
    """Imports one module of the gate from another file."""

    def __init__(self, name: str, file: Path) -> None:
        self._name = name
        self._file = file

    def find_spec(self, fullname, path, target=None):
        return importlib.util.spec_from_file_location(fullname, self._file) if fullname == self._name else None


@cache
def imported_in(file):
    """The names that a file imports, each as if it were a module."""
    text = Path(file).read_text(encoding="utf-8")
    names = set(re.findall(r"^ *import ([\w.]+)", text, re.MULTILINE))
    for origin, parts in re.findall(r"^ *from (\S+) import (\([^)]*\)|.*)", text, re.MULTILINE):
        names |= {origin, *(f"{origin}.{part}" for part in re.findall(r"\w+", parts))}
    return names


def importers(modules):
    """These modules and all that were imported of the package and the tests and may hold what they define."""
    ours = {
        name: getattr(module, "__file__", None)
        for name, module in sys.modules.items()
        if name.startswith(("slipway.", "tests."))
    }
    while more := {name for name, file in ours.items() if file and imported_in(file) & modules} - modules:
        modules = modules | more
    return modules


def run_tests(tests, output, outdated, replacement=()):
    """Runs tests in this process, a fork, with what depends on the replaced module imported again."""
    for stream in (1, 2):
        os.dup2(output, stream)
    gc.disable()
    for name in outdated:
        package, _, last = name.rpartition(".")
        if package in sys.modules:
            vars(sys.modules[package]).pop(last, None)  # `from package import module` looks here first
        sys.modules.pop(name, None)
    if replacement:
        sys.meta_path.insert(0, _Replaced(*replacement))
        importlib.import_module(replacement[0])  # before pytest's own importer of plugins
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        del os.environ[name]
    os.chdir(HERE.parents[1])
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os._exit(pytest.main([*OPTIONS, *(f"{HERE}/{test}" for test in tests)]))


@pytest.fixture
def passes(tmp_path, postgres, monkeypatch):
    """Whether tests pass on the server of this run, where a file of the gate contains other code."""

    def run(tests, file=None, before="", after=""):
        replacement = ()
        if file:
            text = (MEASURE / file).read_text(encoding="utf-8")
            assert text.count(before) == 1, f"{file} does not contain {before!r} once: adapt the mutation"
            replacement = (module_of(file), tmp_path / Path(file).name)
            replacement[1].write_text(text.replace(before, after), encoding="utf-8")
        monkeypatch.setenv("SLIPWAY_TESTS_SERVER", json.dumps(asdict(postgres)))
        with (tmp_path / "output").open("w+") as output:
            process = multiprocessing.get_context("fork").Process(
                target=run_tests, args=(tests, output.fileno(), importers({*replacement[:1]} or MUTATED), replacement)
            )
            process.start()
            process.join()
            output.seek(0)
            assert process.exitcode in (0, 1), output.read()
        return process.exitcode == 0

    return run


# Each costs a new process; `make test` plants the first one for each mutated file and for each file of killing tests.
FIRST = {
    killer: name for name, (test, file, *_) in reversed(MUTATIONS.items()) for killer in (file, test.partition("::")[0])
}


@pytest.mark.parametrize("name", MUTATIONS if os.environ.get("SLIPWAY_MUTATIONS") else sorted(set(FIRST.values())))
def test_a_planted_mutation_is_killed_by_its_test(passes, name):
    test, *mutation = MUTATIONS[name]
    assert not passes([test], *mutation)


def test_without_a_mutation_a_killing_test_of_each_file_passes(passes):
    assert passes({test.partition("::")[0]: test for test, *_ in MUTATIONS.values()}.values())
