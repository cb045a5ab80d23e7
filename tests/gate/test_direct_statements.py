"""Every statement counts, whatever executes it: a raw cursor, COPY, a pipeline, a coroutine, a thread, or a way that the gate does not watch."""

from slipway.records.proof import UNSEEN, Layer
from tests.gate.test_env_files import ASYNC

LAYERS = (Layer.TRACE,)

FIRST = 10  # the line of the first statement of upgrade()
TABLES = (None, "op.execute('CREATE TABLE p (id int, a int, t text)')", "op.drop_table('p')")
BLOCKS_WRITERS, BLOCKS_ALL = {"public.p": "SHARE"}, {"public.p": "ACCESS EXCLUSIVE"}

CURSOR = """
cursor = op.get_bind().connection.cursor()
cursor.execute("CREATE INDEX ON p (t) WHERE t LIKE '100%'")
from psycopg import sql
cursor.execute(sql.SQL("ALTER TABLE {} ALTER a TYPE bigint").format(sql.Identifier("p")))
"""
DRIVER = """
driver = op.get_bind().connection.driver_connection
driver.execute(b"ALTER TABLE p ADD COLUMN b int")
with driver.cursor().copy("COPY p (id, t) FROM STDIN") as copy:
    copy.write("1\\tx\\n")
with driver.pipeline(), driver.cursor() as cursor:
    cursor.executemany("UPDATE p SET t = %s", [["y"], ["z"]])
"""
AUTOCOMMIT = """
raw = op.get_bind().engine.raw_connection()
raw.dbapi_connection.autocommit = True
raw.cursor().execute("CREATE INDEX ON p (a)")
raw.close()
"""
THREAD = """
from concurrent.futures import ThreadPoolExecutor
engine = op.get_bind().engine
work = "with engine.begin() as connection: connection.exec_driver_sql('CREATE INDEX ON p (id)')"
ThreadPoolExecutor(1).submit(exec, work, {"engine": engine}).result()
"""


def done(revision):
    """Its statements, with the line counted from the first of upgrade()."""
    return [(each.line - FIRST + 1, each.sql.partition(" ")[0], each.locks) for each in revision.statements]


def test_statements_on_the_drivers_own_cursor_are_recorded_each_with_its_line(prove_history):
    proof = prove_history(
        {
            "zero": TABLES,
            "cursor": ("zero", CURSOR, ""),
            "driver": ("cursor", DRIVER, ""),
            "autocommit": ("driver", AUTOCOMMIT, ""),
            "thread": ("autocommit", THREAD, ""),
        }
    )
    _, cursor, driver, autocommit, thread = proof.revisions
    assert done(cursor) == [(2, "CREATE", BLOCKS_WRITERS), (4, "ALTER", BLOCKS_ALL)]
    writes = {"public.p": "ROW EXCLUSIVE"}
    assert done(driver) == [(2, "ALTER", BLOCKS_ALL), (3, "COPY", writes), (6, "UPDATE", {})]
    assert done(autocommit) == [(3, "CREATE", BLOCKS_WRITERS)]
    assert [each.transaction for each in autocommit.statements] == [False]
    assert done(thread) == [(4, "CREATE", BLOCKS_WRITERS)]
    found = [(each.rule, each.revision) for each in proof.findings if each.rule in ("L01", "L11")]
    assert found == [("L01", "cursor"), ("L11", "cursor"), ("L01", "autocommit"), ("L01", "thread")]


PAST_THE_DRIVER = """
driver = op.get_bind().connection.driver_connection
driver.pgconn.exec_(b"ALTER TABLE p ADD COLUMN b int")
"""
PAST_THE_DRIVER_AND_COMMITTED = """
import psycopg
driver = op.get_bind().connection.driver_connection
with psycopg.connect(driver.info.dsn, password=driver.info.password, autocommit=True) as other:
    other.pgconn.exec_(b"ALTER TABLE p ALTER a TYPE bigint")
    other.pgconn.exec_(b"CREATE INDEX ON q (a)")
"""


def test_effects_of_statements_that_were_not_seen_are_found_in_the_catalog(prove_history):
    tables = (None, f"{TABLES[1]}; op.execute('CREATE TABLE q (a int)')", f"{TABLES[2]}; op.drop_table('q')")
    proof = prove_history(
        {
            "zero": tables,
            "lock": ("zero", PAST_THE_DRIVER, ""),
            "work": ("lock", PAST_THE_DRIVER_AND_COMMITTED, ""),
        }
    )
    _, lock, work = proof.revisions
    assert [(each.line, each.sql, each.locks) for each in lock.statements] == [(9, UNSEEN, BLOCKS_ALL)]
    rewritten, indexed = sorted(work.statements, key=lambda each: each.builds)
    assert (rewritten.rewrites, indexed.builds) == (("public.p",), ("public.q",))
    unexplained = [(each.revision, each.line) for each in proof.findings if each.rule == "L26"]
    assert unexplained == [("lock", 9), ("work", 9)]


COROUTINE = """
async def build(connection):
    await connection.execute(sa.text("CREATE INDEX ON p (t)"))
    driver = (await connection.get_raw_connection()).driver_connection
    await driver.execute("ALTER TABLE p ALTER a TYPE bigint")
op.run_async(build)
op.get_bind().connection.cursor().execute("CREATE INDEX ON p (a)")
"""


def test_statements_of_a_coroutine_have_its_lines(prove_history):
    proof = prove_history({"zero": TABLES, "one": ("zero", COROUTINE, "")}, env=ASYNC)
    assert done(proof.revisions[1]) == [
        (2, "CREATE", BLOCKS_WRITERS),
        (4, "ALTER", BLOCKS_ALL),
        (6, "CREATE", {}),
    ]
