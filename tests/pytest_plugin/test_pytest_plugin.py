"""`pytest --slipway` in the test run of a small service."""

import hashlib
import subprocess
import sys

import pytest

from slipway.pytest_plugin import gate as asking
from tests.forked import forking  # noqa: F401 -- a fixture

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

ENV = """\
import sqlalchemy as sa
from alembic import context

metadata = sa.MetaData()
{models}
with sa.create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
# The first line of upgrade() is line 9 of the file.
REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {down!r}


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
"""
TABLE = "sa.Table('notes', metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column('title', sa.Text))"
CREATE = (
    "op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True), sa.Column('title', sa.Text))",
    "op.drop_table('notes')",
)
INDEX = ("op.create_index('by_title', 'notes', ['title'])", "op.drop_index('by_title')")
INDEXED = TABLE + "\nsa.Index('by_title', metadata.tables['notes'].c.title)"
BROKEN = ("op.drop_table('no_such')", "pass")
CHANGES_ROWS = ("op.execute(\"UPDATE notes SET title = 'x'\")", "op.execute('SELECT 1')")
NOTHING = ("pass", "pass")
LIGHT = ("-p", "no:hypothesispytest")  # whose import takes longer than a run


@pytest.fixture
def write(pytester):
    """Writes an alembic project where pytest will run: `write(one=(upgrade, downgrade), two=…)`."""

    def write(models=TABLE, env=ENV, **revisions):
        versions = pytester.mkdir("migrations") / "versions"
        versions.mkdir()
        pytester.makepyprojecttoml("[project]\nname = 'x'\n")
        pytester.makefile(".ini", alembic="[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
        (versions.parent / "env.py").write_text(env.replace("{models}", models))
        down = None
        for name, (upgrade, downgrade) in revisions.items():
            text = REVISION.format(id=name, down=down, upgrade=upgrade, downgrade=downgrade)
            (versions / f"{name}_some_words.py").write_text(text)
            down = name

    return write


@pytest.fixture(scope="module")
def answers():
    """The gate's answers by project and question: each is executed once for all tests of this file."""
    return {}


@pytest.fixture
def run(pytester, server, answers, monkeypatch, forked_gate):
    """Runs `pytest --slipway` on the server of the tests, in this process with a forked gate; workers are processes."""
    once = asking.once

    def run(*arguments, tested="--slipway-all-revisions"):
        arguments += (tested,) if tested else ()
        options = (*LIGHT, "--slipway", f"--slipway-database-url={server}", *arguments)
        question = [argument for argument in arguments if argument.startswith("--slipway")]
        project = hashlib.sha256(repr(question).encode())
        for file in sorted(path for path in pytester.path.rglob("*") if path.suffix in {".py", ".ini", ".toml"}):
            if not file.name.startswith("test_"):
                project.update(str(file.relative_to(pytester.path)).encode() + file.read_bytes())

        def remembered(file, make):
            key = (project.digest(), file.name)
            return once(file, lambda: answers[key] if key in answers else answers.setdefault(key, make()))

        monkeypatch.setattr(asking, "once", remembered)
        return pytester.runpytest_inprocess(*options)

    return run


def outcomes(result):
    return {name: number for name, number in result.parseoutcomes().items() if name != "warnings"}


def test_a_history_without_findings_is_a_test_for_each_revision_and_check_and_two_for_the_whole(write, run):
    write(aaa=CREATE, bbb=NOTHING)
    result = run("-v")
    assert outcomes(result) == {"passed": 8}
    result.stdout.fnmatch_lines(
        [
            "slipway::aaa_some_words::up-down-up PASSED*",
            "slipway::aaa_some_words::locks *PASSED*",
            "slipway::aaa_some_words::rows *PASSED*",
            "slipway::bbb_some_words::up-down-up *PASSED*",
            "slipway::bbb_some_words::locks *PASSED*",
            "slipway::bbb_some_words::rows *PASSED*",
            "slipway::graph PASSED*",
            "slipway::drift PASSED*",
        ]
    )


def test_they_run_beside_the_tests_of_the_service(write, run, pytester):
    write(aaa=CREATE)
    pytester.makepyfile("def test_of_the_service(): pass")
    assert outcomes(run()) == {"passed": 6}
    assert outcomes(run("-m", "not slipway")) == {"passed": 1, "deselected": 5}


def test_a_finding_is_the_text_of_a_failure_and_there_is_no_traceback(write, run):
    write(INDEXED, aaa=CREATE, bbb=INDEX)
    result = run()
    assert outcomes(result) == {"passed": 7, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            "*slipway::bbb_some_words::locks*",
            "L01 *",
            "at migrations/versions/bbb_some_words.py:9",
            "measured: holds SHARE on public.notes, *",
            "instead:",
            "*postgresql_concurrently=True*",
            "FAILED slipway::bbb_some_words::locks - *L01 *",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "judge(" not in result.stdout.str()


def test_tests_and_failures_have_the_place_of_the_revision_for_editors(write, run, pytester):
    write(INDEXED, aaa=CREATE, bbb=INDEX)
    pytester.makeconftest("def pytest_itemcollected(item): print(item.location)")
    run("--tb=line", "-s").stdout.fnmatch_lines(
        [
            "('migrations/versions/bbb_some_words.py', 7, 'slipway::bbb_some_words::locks')",
            "*/migrations/versions/bbb_some_words.py:9: *L01*",
        ]
    )


def test_each_family_of_rules_has_its_test(write, run):
    leaves_a_trace = (CREATE[0], "op.execute('SELECT 1')")
    others = "sa.Table('others', metadata, sa.Column('id', sa.Integer))"
    write(others, aaa=leaves_a_trace, bbb=CHANGES_ROWS, ccc=("pass  # slipway: allow", "pass"))
    result = run("-rf")
    failed = sorted(line.split()[1] for line in result.outlines if line.startswith("FAILED"))
    assert failed == [
        "slipway::aaa_some_words::up-down-up",
        "slipway::bbb_some_words::rows",
        "slipway::drift",
        "slipway::graph",
    ]


def test_several_heads_are_a_failure_of_the_graph(write, run, pytester):
    write(aaa=CREATE, bbb=NOTHING)
    other = REVISION.format(id="ccc", down="aaa", upgrade="pass", downgrade="pass")
    (pytester.path / "migrations/versions/ccc.py").write_text(other)
    assert "FAILED slipway::graph - Failed: G01" in run().stdout.str()


def test_a_history_that_cannot_be_walked_fails_in_the_graph_and_no_other_test_passes(write, run, pytester):
    write(aaa=CREATE)
    other = REVISION.format(id="ccc", down="gone", upgrade="pass", downgrade="pass")
    (pytester.path / "migrations/versions/ccc.py").write_text(other)
    result = run("-rs")
    assert outcomes(result) == {"failed": 1, "skipped": 1}
    result.stdout.fnmatch_lines(["*models were not compared: no revision was executed"])


def test_a_revision_that_was_not_reached_is_skipped_with_the_reason(write, run):
    write(aaa=CREATE, bbb=BROKEN, ccc=NOTHING)
    result = run("-rs")
    assert outcomes(result) == {"passed": 4, "failed": 1, "skipped": 6}
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED [[]5[]]*not reached: the upgrade of bbb fails",
            "SKIPPED [[]1[]]*models were not compared: the history does not reach its head",
        ]
    )


def test_warnings_fail_no_test_and_are_listed_at_the_end(write, run):
    write(aaa=(CREATE[0], "pass"))
    result = run("-W", "error")
    assert outcomes(result) == {"passed": 5}
    result.stdout.fnmatch_lines(["*slipway remarks*", "slipway::aaa_some_words::up-down-up", "warning: R01*"])


def test_old_revisions_do_not_fail_and_have_no_tests_of_locks_and_rows(write, run):
    write(INDEXED, aaa=CREATE, bbb=INDEX)
    result = run("--slipway-since=bbb", "-v")
    assert outcomes(result) == {"passed": 4}
    assert "::locks" not in result.stdout.str()
    assert "::rows" not in result.stdout.str()


def test_revisions_that_git_has_at_a_ref_are_old(write, run, pytester):
    write(INDEXED, aaa=CREATE)
    git = ("git", "-c", "user.name=me", "-c", "user.email=me@example.org")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "one"), ("tag", "released")):
        assert pytester.run(*git, *command).ret == 0
    text = REVISION.format(id="bbb", down="aaa", upgrade=INDEX[0], downgrade=INDEX[1])
    (pytester.path / "migrations/versions/bbb.py").write_text(text)
    result = run("--slipway-since=released", "-rf", tested="")
    assert outcomes(result) == {"passed": 5, "failed": 1}
    assert "FAILED slipway::bbb::locks " in result.stdout.str()


def test_an_allowed_finding_fails_no_test(write, run):
    write(INDEXED, aaa=CREATE, bbb=(f"{INDEX[0]}  # slipway: allow L01 because nobody writes", INDEX[1]))
    assert outcomes(run()) == {"passed": 8}


def test_settings_are_those_of_the_service(write, run, pytester):
    write(INDEXED, aaa=CREATE, bbb=INDEX)
    pytester.makepyprojecttoml(
        "[tool.slipway]\nname = 'notes'\ncommand = ['x']\n[tool.slipway.migrations]\nstart-after = 'bbb'\n"
    )
    assert outcomes(run(tested="")) == {"passed": 4}


def test_the_service_may_be_in_another_folder(write, run, pytester):
    write(aaa=CREATE)
    elsewhere = pytester.mkdir("elsewhere")
    assert outcomes(run(f"--rootdir={elsewhere}", "--slipway-source=.")) == {"passed": 5}


def test_tests_are_chosen_by_words(write, run):
    write(INDEXED, aaa=CREATE, bbb=INDEX)
    assert outcomes(run("-k", "bbb and locks")) == {"failed": 1, "deselected": 7}
    assert outcomes(run("--deselect", "slipway::bbb_some_words::locks")) == {"passed": 7, "deselected": 1}


@pytest.mark.parametrize(
    ("names", "number"),
    [
        (["slipway"], 5),
        (["slipway::aaa_some_words"], 3),
        (["slipway::aaa_some_words::locks"], 1),
        (["slipway::drift", "slipway::graph"], 2),
        (["slipway::drift", "test_service.py"], 2),
    ],
)
def test_tests_are_chosen_by_the_names_that_pytest_prints(write, run, pytester, names, number):
    write(aaa=CREATE)
    pytester.makepyfile(test_service="def test_of_the_service(): pass")
    assert outcomes(run(*names)) == {"passed": number}


def test_an_unknown_name_is_a_sentence(write, run):
    write(aaa=CREATE)
    result = run("slipway::bbb")
    assert outcomes(result) == {"errors": 1}
    result.stdout.fnmatch_lines(["there is no test slipway::bbb: *"])


def test_x_stops_at_the_first_failure(write, run):
    write(INDEXED, aaa=CREATE, bbb=INDEX)
    assert outcomes(run("-x")) == {"passed": 4, "failed": 1}


def test_the_last_failed_are_run_again_whichever_files_failed_too(write, run, pytester):
    write(INDEXED, aaa=CREATE, bbb=INDEX)
    pytester.makepyfile(test_a="def test_passes(): pass\ndef test_fails(): assert False", test_b="def test_b(): pass")
    assert outcomes(run()) == {"passed": 9, "failed": 2}
    again = run("--lf", "-v")
    assert outcomes(again)["failed"] == 2
    again.stdout.fnmatch_lines(["slipway::bbb_some_words::locks*FAILED*"])


def test_workers_collect_the_same_and_the_history_is_executed_once(write, run, pytester):
    count = "open('count', 'a').write(op.get_context().opts.get('x', '.'))"
    write(TABLE, aaa=(f"{CREATE[0]}; {count}", CREATE[1]), **{f"r{number}": NOTHING for number in range(2)})
    assert outcomes(run()) == {"passed": 11}
    once = (pytester.path / "count").read_text()
    assert outcomes(run("slipway", "-n2")) == {"passed": 11}
    assert (pytester.path / "count").read_text() == once * 2


def test_collection_executes_no_revision(write, run, pytester):
    write(aaa=("open('count', 'a')", "pass"))
    result = run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["slipway::aaa_some_words::up-down-up", "5 tests collected*"])
    assert not (pytester.path / "count").exists()


def test_a_folder_without_alembic_is_one_sentence(pytester, run):
    pytester.makepyprojecttoml("[project]\nname = 'x'\n")
    result = run()
    assert outcomes(result) == {"errors": 1}
    result.stdout.fnmatch_lines(["found no alembic history: no alembic.ini, *"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--slipway-database-url=postgresql://me:hunter2@127.0.0.1:1/x", "the Postgres server does not answer: *"),
        ("--slipway-database-url=mysql://me:hunter2@127.0.0.1:1/x", "the database's URL names mysql: *"),
        ("--slipway-source=nowhere", "there is no folder */nowhere: *"),
        ("--slipway-python=nowhere", "*nowhere is no virtual environment: *"),
        ("--slipway-since=zzz", "--since 'zzz' is no revision of this history, and git *"),
        ("--slipway-config=other.ini", "there is no other.ini in *"),
    ],
)
def test_a_gate_that_cannot_run_is_one_sentence_at_collection(write, run, option, sentence):
    write(aaa=CREATE)
    result = run(option)
    assert outcomes(result) == {"errors": 1}
    result.stdout.fnmatch_lines([sentence])
    assert "hunter2" not in result.stdout.str() + result.stderr.str()


def test_a_revision_that_does_not_load_is_named_at_collection(write, run):
    write(aaa=("return (", "pass"))
    run().stdout.fnmatch_lines(["migrations/versions/aaa_some_words.py line * does not load: SyntaxError*"])


def test_an_environment_that_fails_is_reported_by_one_test_and_the_others_are_skipped(write, run):
    """Each of the others reads the file of the first, as another worker would."""
    write(env="raise RuntimeError('no')", aaa=CREATE, bbb=NOTHING)
    result = run("-rs")
    assert outcomes(result) == {"errors": 1, "skipped": 7}
    result.stdout.fnmatch_lines_random(
        [
            "migrations/env.py line 1 fails before the first revision: RuntimeError: no*",
            "SKIPPED*there is no proof: migrations/env.py line 1 fails before the first revision",
        ]
    )


def test_without_the_option_no_module_of_slipway_is_loaded_but_the_option(write, pytester):
    write(aaa=CREATE)
    pytester.makepyfile("def test_of_the_service(): pass")
    code = "import pytest, sys; pytest.main({}); print(sorted(m for m in sys.modules if m.startswith('slipway')))"
    for arguments, loaded in ((["--version"], []), (["-q"], ["slipway", "slipway.pytest_plugin"])):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments)], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == str(loaded)
    assert outcomes(pytester.runpytest_inprocess(*LIGHT)) == {"passed": 1}


def test_a_server_that_looks_like_production_is_refused_unless_it_is_allowed(write, run):
    write(one=CREATE)
    production = "--slipway-database-url=postgresql://me@production.invalid:1/x"
    assert "looks like production" in run(production).stdout.str()
    printed = run(production, "--slipway-allow-production-like").stdout.str()
    assert ("looks like production" in printed, "does not answer" in printed) == (False, True)
