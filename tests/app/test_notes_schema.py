import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

BEFORE_THE_COPY, THE_COPY = "a4d27b5e8f13", "c95e0f7a61bd"
COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = 'notes' ORDER BY ordinal_position"


def rows(database, query):
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute(query)]


def run(database, statement):
    with psycopg.connect(database) as connection:
        connection.execute(statement)


def test_the_history_goes_up_down_and_up_again(history, database):
    command.upgrade(history, "head")
    built = rows(database, COLUMNS)
    command.downgrade(history, "base")
    assert rows(database, COLUMNS) == []
    command.upgrade(history, "head")
    assert rows(database, COLUMNS) == built == ["id", "title", "created_at", "body"]


def test_every_revision_can_be_undone(history, database):
    for revision in reversed(list(ScriptDirectory.from_config(history).walk_revisions())):
        command.upgrade(history, revision.revision)
        command.downgrade(history, "-1")
        command.upgrade(history, revision.revision)
    assert rows(database, "SELECT version_num FROM alembic_version") == ["e7318ac4d059"]


def test_the_models_match_the_migrations(history, migrated, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", migrated)
    command.check(history)


def test_a_note_of_the_first_release_survives_every_revision(history, database):
    command.upgrade(history, "5b0a7d1c42ef")
    run(database, "INSERT INTO notes (title, content) VALUES ('Milk', 'Two litres')")
    command.upgrade(history, "head")
    assert rows(database, "SELECT body FROM notes") == ["Two litres"]
    command.downgrade(history, "5b0a7d1c42ef")
    assert rows(database, "SELECT content FROM notes") == ["Two litres"]


def test_the_copy_handles_more_notes_than_one_batch(history, database):
    command.upgrade(history, BEFORE_THE_COPY)
    run(database, "INSERT INTO notes (title, content) SELECT n, 'text ' || n FROM generate_series(1, 2500) n")
    command.upgrade(history, THE_COPY)
    assert rows(database, "SELECT count(*) FROM notes WHERE body = 'text ' || title") == [2500]


def test_the_copy_can_be_rerun_and_includes_later_notes(history, database):
    command.upgrade(history, BEFORE_THE_COPY)
    run(database, "INSERT INTO notes (title, content) VALUES ('early', 'old'), ('empty', '')")
    command.upgrade(history, THE_COPY)
    run(database, "INSERT INTO notes (title, content) VALUES ('late', 'new')")
    command.stamp(history, BEFORE_THE_COPY)
    command.upgrade(history, THE_COPY)
    assert rows(database, "SELECT body FROM notes ORDER BY id") == ["old", "", "new"]


def test_the_copy_keeps_a_body_written_by_a_release(history, database):
    command.upgrade(history, BEFORE_THE_COPY)
    run(database, "INSERT INTO notes (title, content, body) VALUES ('both', 'old', 'newer')")
    command.upgrade(history, THE_COPY)
    assert rows(database, "SELECT body FROM notes") == ["newer"]


def test_an_invalid_index_of_an_interrupted_attempt_is_rebuilt(history, database):
    command.upgrade(history, "8c1f6e93ab20")
    run(database, "CREATE INDEX ix_notes_created_at ON notes (title)")
    run(database, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_notes_created_at'::regclass")
    command.upgrade(history, "a4d27b5e8f13")
    assert rows(database, "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_notes_created_at'") == [
        "CREATE INDEX ix_notes_created_at ON public.notes USING btree (created_at)"
    ]


def test_offline_sql_is_refused(history):
    with pytest.raises(SystemExit, match="offline SQL is not supported"):
        command.upgrade(history, "head", sql=True)
