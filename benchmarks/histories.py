"""Generated alembic projects of any length, with about 2.2 statements a revision."""

from pathlib import Path

_INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = .\npath_separator = os\n"

_PYPROJECT = """\
[project]
name = "history"
version = "0"

[tool.slipway]
name = "history"
command = ["true"]
port = 8000
"""

_ENV = """\
import os

from alembic import context
from sqlalchemy import create_engine, pool

from models import metadata


def run_online():
    connectable = context.config.attributes.get("connection")
    if connectable is None:
        connectable = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
    with connectable.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()


def run_offline():
    context.configure(dialect_name="postgresql", target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


run_offline() if context.is_offline_mode() else run_online()
"""

_REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down!r}


def upgrade():
{up}

def downgrade():
{down_body}
"""


def write_project(folder: Path, revisions: int) -> None:
    """Write pyproject.toml, alembic.ini, migrations/ and models.py for a history of this length."""
    versions = folder / "migrations/versions"
    versions.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(_PYPROJECT)
    (folder / "alembic.ini").write_text(_INI)
    (folder / "migrations/env.py").write_text(_ENV)
    columns: dict[int, list[str]] = {}
    previous = None
    for number in range(revisions):
        revision = f"{number:012x}"
        up, down = _steps(number, columns)
        body = _REVISION.format(revision=revision, down=previous, up=_indented(up), down_body=_indented(down))
        (versions / f"{revision}_step.py").write_text(body)
        previous = revision
    (folder / "models.py").write_text(_models(columns))


def _steps(number: int, columns: dict[int, list[str]]) -> tuple[list[str], list[str]]:
    """Return the five revisions of one table, from its creation to a check."""
    table, kind = divmod(number, 5)
    name = f"t{table}"
    added = columns.setdefault(table, [])
    if kind == 0:
        added += ['sa.Column("id", sa.Integer(), primary_key=True)', 'sa.Column("name", sa.String(80), nullable=False)']
        created = ", ".join(added)
        added.append(f'sa.Index("ix_{name}_name", "name")')
        return [f'op.create_table("{name}", {created})', f'op.create_index("ix_{name}_name", "{name}", ["name"])'], [
            f'op.drop_table("{name}")'
        ]
    if kind == 1:
        added += [
            'sa.Column("amount", sa.Numeric(12, 2))',
            'sa.Column("state", sa.String(20), server_default="new", nullable=False)',
        ]
        return (
            [f'op.add_column("{name}", {column})' for column in added[-2:]],
            [f'op.drop_column("{name}", "state")', f'op.drop_column("{name}", "amount")'],
        )
    if kind == 2:
        added += [
            'sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"))',
            f'sa.Index("ix_{name}_created_at", "created_at")',
        ]
        return (
            [
                f'op.add_column("{name}", {added[-2]})',
                f'op.create_index("ix_{name}_created_at", "{name}", ["created_at"])',
            ],
            [f'op.drop_index("ix_{name}_created_at", "{name}")', f'op.drop_column("{name}", "created_at")'],
        )
    if kind == 3:
        parent = f"t{max(table - 1, 0)}"
        added += [
            'sa.Column("parent_id", sa.Integer())',
            f'sa.ForeignKeyConstraint(["parent_id"], ["{parent}.id"], name="fk_{name}_parent")',
        ]
        return (
            [
                f'op.add_column("{name}", sa.Column("parent_id", sa.Integer()))',
                f'op.create_foreign_key("fk_{name}_parent", "{name}", "{parent}", ["parent_id"], ["id"])',
            ],
            [f'op.drop_constraint("fk_{name}_parent", "{name}")', f'op.drop_column("{name}", "parent_id")'],
        )
    added += [f'sa.CheckConstraint("amount >= 0", name="ck_{name}_amount")', 'sa.Column("note", sa.Text())']
    return (
        [
            f'op.create_check_constraint("ck_{name}_amount", "{name}", "amount >= 0")',
            f'op.add_column("{name}", sa.Column("note", sa.Text()))',
            f"op.execute(\"COMMENT ON TABLE {name} IS 'number {table}'\")",
        ],
        [
            f"op.execute('COMMENT ON TABLE {name} IS NULL')",
            f'op.drop_column("{name}", "note")',
            f'op.drop_constraint("ck_{name}_amount", "{name}")',
        ],
    )


def _indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def _models(columns: dict[int, list[str]]) -> str:
    tables = (
        f'sa.Table("t{number}", metadata, {", ".join(parts)}, comment={f"number {number}" if len(parts) > 10 else None!r})\n'
        for number, parts in columns.items()
    )
    return "import sqlalchemy as sa\n\nmetadata = sa.MetaData()\n" + "".join(tables)
