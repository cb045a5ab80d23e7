import pytest

from app.settings import MissingSettingError, Settings

URL = "postgresql://notes:secret@db/notes"


def test_the_settings_are_read_from_the_environment():
    assert Settings.from_environment({"DATABASE_URL": URL, "GIT_REVISION": "0123abc"}) == Settings(URL, "0123abc")


def test_the_revision_of_a_checkout_is_unknown():
    assert Settings.from_environment({"DATABASE_URL": URL}).git_revision == "unknown"


@pytest.mark.parametrize("environment", [{}, {"DATABASE_URL": ""}])
def test_a_database_url_is_needed(environment):
    with pytest.raises(MissingSettingError, match=r"^the environment variable DATABASE_URL is not set$"):
        Settings.from_environment(environment)
