from dataclasses import replace

from slipway.records.migration import Migration, Standing
from slipway.report.text import of_migration, of_standing

MIGRATION = Migration(before=("one",), after=("three",), applied=("two", "three"), attempts=1, seconds=2.04)


def test_a_migration_shows_its_heads_and_revisions():
    assert of_migration(MIGRATION, "staging") == (
        "staging: from one to three in 2.0 s\n  applied: two\n  applied: three\n"
    )


def test_a_migration_that_met_locks_says_how_often():
    assert "in 2.0 s and 3 attempts, because other sessions held locks" in of_migration(
        replace(MIGRATION, attempts=3), "staging"
    )


def test_an_up_to_date_database_shows_its_head():
    told = of_migration(Migration(before=("three",), after=("three",), applied=(), attempts=1, seconds=0.1), "staging")
    assert told == "staging: already at three\n"


def test_an_unknown_migration_shows_no_invented_facts():
    unseen = Migration(before=(), after=(), applied=(), attempts=0, seconds=0.0, unseen="its log cannot be read")
    assert of_migration(unseen, "staging") == (
        "staging: migrated, but the applied revisions are unknown: its log cannot be read\n"
    )


def test_the_heads_of_a_database_are_shown_beside_those_of_the_release():
    assert of_standing(Standing((), ("two",), (), ("one", "two")), "staging") == (
        "staging: the database is at no revision\n  release: two\n  missing: one, two\n"
    )
    assert "unknown: five, so the database is ahead" in of_standing(Standing(("five",), ("two",), ("five",)), "staging")


def test_names_of_revisions_are_untrusted():
    assert "\x1b" not in of_migration(replace(MIGRATION, applied=("\x1b[1mtwo",)), "staging")
