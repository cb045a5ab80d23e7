"""Would our tests notice, if the tracer or the fingerprint went blind? Each of these lines is broken in a copy, and the tests that guard it must fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import slipway

HERE = Path(__file__).parent
TRACER = ("test_locks_and_trace.py", "test_lock_atlas.py")
FINGERPRINT = ("test_catalog.py",)

# Guards, file, what it says, what it says instead.
MUTATIONS = {
    "SHARE stops nobody": (TRACER, "locks.py", "_BLOCKS_WRITERS = _MODES[4:]", "_BLOCKS_WRITERS = _MODES[5:]"),
    "readers pass ACCESS EXCLUSIVE": (TRACER, "locks.py", "_BLOCKS_READERS = _MODES[7:]", "_BLOCKS_READERS = _MODES[8:]"),
    "the weakest lock is named": (TRACER, "locks.py", "return max(modes.inter", "return min(modes.inter"),
    "an earlier lock is named again": (TRACER, "locks.py", "_strongest(now.modes - was.modes)", "_strongest(now.modes)"),
    "no rewrite is seen": (TRACER, "locks.py", "if now.filenode > max(", "if now.filenode < min("),
    "a file of the same revision counts as rewritten": (TRACER, "locks.py", "now.filenode > max(was.filenode, newest_oid)", "now.filenode != was.filenode"),
    "no scan is seen": (TRACER, "locks.py", "if now.scans > was.scans", "if now.scans > was.scans + 9"),
    "no index is seen": (TRACER, "locks.py", "any(index > newest_oid", "all(index < newest_oid"),
    "an index that took over a file counts as built": (TRACER, "locks.py", "AND x.relfilenode >= x.oid), c.relkind", "), c.relkind"),
    "a lock on an index is none on its table": (TRACER, "locks.py", "coalesce(indrelid, relation) AS relation", "relation"),
    "scans of earlier transactions count": (TRACER, "locks.py", "Table(scans=self._scans.get(oid, 0))", "Table()"),
    "a new table counts": (TRACER, "locks.py", "AND relation::int8 <= $1", "AND relation::int8 <= $1 + 99999"),
    "what commits by itself is not measured": (TRACER, "trace.py", "self._rehearsed = self._rehearse(", "self._rehearse("),
    "what was tried beforehand stays done": (TRACER, "trace.py", 'cursor.execute("ROLLBACK")', 'cursor.execute("COMMIT")'),
    "alembic's own table counts": (TRACER, "trace.py", "if name is None or is_table(name, self._version_table) else", "if name is None else"),
    "the outermost line is told": (TRACER, "trace.py", "            return frame.f_lineno\n", "            found = frame.f_lineno\n"),
    "definitions are no part": (FINGERPRINT, "lines.py", r"\0{self.name}\0{self.definition}", r"\0{self.name}"),
    "what goes stays in the sum": (FINGERPRINT, "lines.py", "- sum(line.number() for line in self.removed)", ""),
    "NOT NULL is overlooked": (FINGERPRINT, "system_catalogs.py", "CASE WHEN r.attnotnull THEN 'not null' END,", ""),
    "a default is overlooked": (FINGERPRINT, "system_catalogs.py", "|| pg_get_expr(f.adbin, f.adrelid),", ","),
    "a new enum value is overlooked": (FINGERPRINT, "system_catalogs.py", 'versions=("r", "l"),', ""),
    "an invalid index is valid": (FINGERPRINT, "system_catalogs.py", "CASE WHEN NOT r.indisvalid THEN 'INVALID' END,", ""),
    "a disabled trigger is enabled": (FINGERPRINT, "system_catalogs.py", "CASE r.tgenabled WHEN 'O' THEN '' ELSE format(' enabled %s', r.tgenabled) END", "''"),
    "what is dropped stays": (FINGERPRINT, "catalog.py", "for key in gone if (line", "for key in () if (line"),
    "a new name is not followed": (FINGERPRINT, "catalog.py", "        if renamed:\n", "        if False:\n"),
    "a commit is not noticed": (FINGERPRINT, "catalog.py", "if self._state.transaction != self._transaction or", "if"),
    "comments on constraints are overlooked": (FINGERPRINT, "catalog.py", "or self._state.untold != before.untold", ""),
    "a grant on a column is overlooked": (FINGERPRINT, "catalog.py", " UNION {_REWRITTEN_COLUMNS}),", "),"),
}  # fmt: skip


@pytest.fixture
def judged(tmp_path):
    """Whether the guards are well with a copy of slipway in which something says something else."""

    def run(guards, file=None, before="", after=""):
        copy = tmp_path / "slipway"
        shutil.copytree(Path(slipway.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if file:
            path = copy / "gate/measure" / file
            text = path.read_text(encoding="utf-8")
            assert text.count(before) == 1, f"{file} does not say {before!r} once: plant it anew"
            path.write_text(text.replace(before, after), encoding="utf-8")
        tests = [HERE / guard for guard in guards]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        environment = {key: value for key, value in environment.items() if not key.startswith("PYTEST_XDIST")}
        done = subprocess.run(
            command, env=environment, cwd=HERE.parents[1], capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.returncode == 0

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_planted_mutation_turns_the_tests_red(judged, name):
    assert not judged(*MUTATIONS[name])


@pytest.mark.slow
@pytest.mark.parametrize("guards", [TRACER, FINGERPRINT], ids=["tracer", "fingerprint"])
def test_without_one_they_are_green(judged, guards):
    assert judged(guards)
