"""Rules R, U and drift: revisions that cannot be undone or repeated, and models that build another schema."""

from functools import partial
from typing import Final

from slipway.gate.rulebook.rule import ADD_COLUMN, IRREVERSIBLE, NOTES_AND_AUTHORS, NOTHING, Given, Rule
from slipway.records.proof import Level

_irreversible: Final = partial(Rule, level=Level.ERROR, implies=IRREVERSIBLE)
_error: Final = partial(Rule, level=Level.ERROR, implies=NOTHING)
_ADD_AND_DROP: Final = f'{ADD_COLUMN}\n# in downgrade():\nop.drop_column("notes", "read")'
_MOOD: Final = """\
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("mood", sa.Enum("good", "bad", name="mood")),
)
# in downgrade():
op.drop_table("notes")"""

FAILS: Final = _error(
    id="U01",
    name="upgrade fails",
    message="The upgrade fails on an empty database; later revisions are not tested.",
    advice="Correct the statement at this line.",
    related=("D01", "T01"),
    bad="""op.add_column("note", sa.Column("read", sa.Boolean()))""",
    good=ADD_COLUMN,
)
_DUMP: Final = """\
pg_dump --schema-only --no-owner --no-privileges "$PRODUCTION" > baseline.sql
pg_dump --data-only --table='*.alembic_version' "$PRODUCTION" >> baseline.sql"""
SET_BASELINE: Final = (
    "if production had it before the first revision, write its schema with `pg_dump --schema-only` into a file, "
    "and name that as baseline in [tool.slipway.migrations]; `slipway init --yes` writes one from the models"
)
# For two failures of an upgrade: it lacks an object and the history has no baseline, or its object already exists in a
# history with one.
BEGIN_ON_SCHEMA: Final = f"""\
Correct the statement that fails. If production had its object before the first revision, let the history begin there:
{_DUMP}
and set baseline = "baseline.sql" in [tool.slipway.migrations]."""
NOT_MADE: Final = f"Correct the statement that fails: no revision before it makes its object. Only if another program made that in production, {SET_BASELINE.removeprefix('if production had it before the first revision, ')}."
IN_BASELINE: Final = f"""\
If the baseline is of a database that has run this revision, add the table that says so, which counts it as run:
{_DUMP.splitlines()[1]}"""
UNREACHED: Final = _error(
    id="U02",
    name="revision not reached",
    message="The revision was not executed: it or an earlier one does not run from an empty database. This and later revisions are not tested.",
    advice="Let that revision run from an empty database. When it expects objects that no revision creates, add a revision before it that creates them: databases that have run the later one will never run it.",
    related=("T05", "U01"),
)
NOT_INSTALLED: Final = "Install the extension {extension} on this Postgres, or test on a disposable server that has it: name that with --database-url, on Dagger its image as postgres in [tool.slipway.migrations]."
NOT_CREATED: Final = "Create the extension {extension} in an earlier revision, or name it in extensions of [tool.slipway.migrations] if production has it already."
NOT_BUILT_IN: Final = "this Postgres was built without it: install PostgreSQL from the operating system, or name a server that has it with --database-url"
NOT_ALLOWED: Final = _error(
    id="U03",
    name="upgrade needs more privileges than production's role has",
    message="Production's role may not execute a statement of the upgrade; later revisions are not tested.",
    advice="Let an administrator do this outside of the history, or set role in [tool.slipway.migrations] if production's role may do more.",
    related=("D11", "U01"),
    bad="""op.execute("COPY notes (title) FROM '/srv/notes.csv'")""",
    good="""op.bulk_insert(sa.table("notes", sa.column("title", sa.Text)), [{"title": "one"}, {"title": "two"}])""",
)
# By words of Postgres' error: the alternative on RDS.
ON_RDS: Final = (
    (
        r"create extension",
        "RDS does not offer the extension to this role: SHOW rds.extensions lists those that the main user can create, and the role rds_extension lets another user create them. If one is created beforehand, name it in extensions of [tool.slipway.migrations].",
    ),
    (
        r"ALTER SYSTEM|permission denied to set parameter",
        "Set the parameter in the DB parameter group of the RDS instance, or for one database with ALTER DATABASE … SET where Postgres allows that.",
    ),
    (
        r"COPY (from|to) a file|external program|pg_read_server_files|pg_write_server_files|pg_execute_server_program",
        "RDS gives no access to files of the server: send the rows over the connection (COPY … FROM STDIN, op.bulk_insert), or use the extension aws_s3.",
    ),
    (
        r"is a system trigger",
        "Use DISABLE TRIGGER USER, which leaves foreign keys checked, or SET LOCAL session_replication_role = 'replica', which RDS allows its main user.",
    ),
    (
        r"event trigger|FOR ALL TABLES|session_replication_role",
        'RDS allows this to its main user: run the revisions as that user, and set role = "rds_superuser" in [tool.slipway.migrations].',
    ),
    (
        r"language",
        "RDS offers SQL, PL/pgSQL, PL/Perl, PL/Tcl, PL/v8 and PL/Rust: write the function in one of these.",
    ),
    (
        r"for table pg_\w+",
        "Use DDL, such as ALTER TYPE … ADD VALUE or ALTER TABLE: on RDS no user may write to the system catalogs.",
    ),
    (
        r"must be able to SET ROLE|must be (a )?member of role|privileges of role",
        "Grant the other role to the one that runs the revisions first: GRANT … TO CURRENT_USER, which the creator of a role may do.",
    ),
    (
        r"SUPERUSER|REPLICATION|BYPASSRLS",
        "RDS has no superusers: grant the roles rds_superuser or rds_replication instead of the attribute.",
    ),
)
EMPTY: Final = Rule(
    id="R01",
    name="empty downgrade",
    level=Level.WARNING,
    message="The downgrade does nothing, although the upgrade changes the schema.",
    implies=IRREVERSIBLE,
    advice="Write the downgrade, or raise NotImplementedError to declare that there is none.",
    related=("R03", "R06"),
    bad=f"{ADD_COLUMN}\n# in downgrade():\npass",
    good=_ADD_AND_DROP,
)
RAISES: Final = _irreversible(
    id="R02",
    name="downgrade fails",
    message="The downgrade fails; this revision cannot be rolled back.",
    advice="Correct the downgrade, or raise NotImplementedError to declare that there is none.",
    related=("R05", "R06"),
    bad=f'{ADD_COLUMN}\n# in downgrade():\nop.drop_column("notes", "red")',
    good=_ADD_AND_DROP,
)
TRACE: Final = _irreversible(
    id="R03",
    name="downgrade leaves a trace",
    message="The downgrade is incomplete: the schema differs from the one before the upgrade.",
    advice="Undo the listed differences in downgrade().",
    related=("R01", "R04"),
    before="pass",
    bad=_MOOD,
    good=f'{_MOOD}\nsa.Enum(name="mood").drop(op.get_bind())',
)
ENUM_TRACE: Final = """\
def downgrade() -> None:
    …  # drop the columns that use the type
    sa.Enum(name="{name}").drop(op.get_bind(), checkfirst=True)"""
NAMELESS: Final = _irreversible(
    id="R05",
    name="downgrade drops an unnamed constraint",
    message="The downgrade drops a constraint without a name; Postgres chose one, so the statement cannot be written.",
    code="""\
# on the models' metadata, so that autogenerate writes the name:
metadata = sa.MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s"})
# in this revision, the name that Postgres chose:
{drops}""",
    related=("R02", "S08"),
    before=NOTES_AND_AUTHORS,
    bad="""\
op.create_foreign_key(None, "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in downgrade():
op.drop_constraint(None, "notes", type_="foreignkey")""",
    good="""\
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in downgrade():
op.drop_constraint("notes_author", "notes", type_="foreignkey")""",
)
DIFFERS: Final = _irreversible(
    id="R04",
    name="second upgrade fails or differs",
    message="After the downgrade, the upgrade fails or ends in a different schema.",
    advice="Undo all of upgrade() in downgrade().",
    related=("R03",),
    bad=f"""\
op.create_table("tags", sa.Column("name", sa.Text(), primary_key=True))
{_ADD_AND_DROP}""",
    good=f"""\
op.create_table("tags", sa.Column("name", sa.Text(), primary_key=True))
{_ADD_AND_DROP}
op.drop_table("tags")""",
)
DECLARED: Final = (
    "declared by the revision"  # why a finding of R06 needs no answer, unless the settings give it a level
)
ROLL_FORWARD: Final = Rule(
    id="R06",
    name="no downgrade declared",
    level=Level.NOTE,
    message="The revision declares that it has no downgrade.",
    implies=IRREVERSIBLE,
    advice="Nothing to do; a rollback of the image across this revision is refused.",
    related=("R01", "R02"),
    bad=f"""\
{ADD_COLUMN}
# in downgrade():
raise NotImplementedError("restore a backup instead")""",
    good=_ADD_AND_DROP,
)
DRIFT: Final = _error(
    id="drift",
    name="models and migrations differ",
    message="The models and the migrations build different schemas: the application runs on one and is tested on the other.",
    advice="Write a revision that adapts the schema to the models (start with alembic revision --autogenerate), or correct the models.",
    related=("C01", "drift-limit", "drift-name", "drift-released", "drift-unknown", "drift-wider"),
    before="pass",
    given=Given(
        models="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))"""
    ),
    bad="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True))
# in downgrade():
op.drop_table("notes")""",
    good="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
# in downgrade():
op.drop_table("notes")""",
)
UNKNOWN_DRIFT: Final = _error(
    id="drift-unknown",
    name="models cannot be compared",
    message="The models, or an option of env.py, fail: what this revision changes was not compared with the models.",
    advice="Correct what the error names: a database that tests create from the models (create_all) fails on it, too.",
    related=("drift",),
)
BY_HAND: Final = (
    "Write a revision that adapts the schema to the models, by hand: autogenerate does not compare this. "
    "Or correct the models."
)
VALIDATED: Final = (
    "Validate the constraint in a revision: op.execute('''ALTER TABLE {table} VALIDATE CONSTRAINT {name}'''). "
    "If that has to wait, say the same in the model: postgresql_not_valid=True."
)
TO_BE_DROPPED: Final = (
    f"{DRIFT.advice[:-1]}; or, if the release after drops it (C01), write above def upgrade(): "
    "# slipway: allow drift because the release after drops {name}"
)
RELEASED_DRIFT: Final = Rule(
    id="drift-released",
    name="models and released migrations differ",
    level=Level.NOTE,
    message="The models and the migrations differ in what no new revision changes.",
    implies=NOTHING,
    advice="Adapt the schema or the models when it suits you (start with alembic revision --autogenerate).",
    related=("drift",),
)
RELEASED_IN_PART: Final = (
    f"{RELEASED_DRIFT.advice[:-2]}; it does not compare {{unseen}}, so write what concerns these by hand)."
)
RELEASED_BY_HAND: Final = (
    "Adapt the schema or the models when it suits you, by hand: autogenerate does not compare {unseen}."
)
LIMITED: Final = Rule(
    id="drift-limit",
    name="only the migrations limit a column",
    level=Level.WARNING,
    message="A value that the model allows is refused or rounded in production: only the migrations limit its column.",
    implies=NOTHING,
    advice="Write the limit in the model, such as sa.String(255), or remove it in a revision. Tests on the models' schema do not notice it, nor does autogenerate, if the model has the same type without a limit.",
    related=("drift", "drift-wider"),
    before="pass",
    given=Given(
        models="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.String))"""
    ),
    bad="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.String(40)))
# in downgrade():
op.drop_table("notes")""",
    good="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.String()))
# in downgrade():
op.drop_table("notes")""",
)
WIDER: Final = Rule(
    id="drift-wider",
    name="migrations use wider types or more defaults than the models",
    level=Level.NOTE,
    message="The migrations give columns a wider type than the models do, or a default that the models do not have.",
    implies=NOTHING,
    advice="Name the wider type in the models, such as sa.BigInteger() for bigint, and the default as server_default: what they write fits, but tests on their schema refuse rows that production accepts.",
    related=("drift",),
)
GONE_FROM_MODELS: Final = "Drop {names} in a revision of the release after, when no running one names it (C01); until then nothing is to be done."
NAMED_APART: Final = Rule(
    id="drift-name",
    name="models and migrations use different names",
    level=Level.WARNING,
    message="The models and the migrations give one object different names; a later drop by name will fail.",
    implies=NOTHING,
    advice="Give the object the same name in both, preferably by a naming_convention on the metadata.",
    related=("drift", "S08"),
    before="pass",
    given=Given(
        models="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text, index=True))"""
    ),
    bad="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
op.create_index("notes_by_title", "notes", ["title"])
# in downgrade():
op.drop_table("notes")""",
    good="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
op.create_index("ix_notes_title", "notes", ["title"])
# in downgrade():
op.drop_table("notes")""",
)
