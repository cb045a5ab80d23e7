"""Whether a service migrates when it starts, as its command or its files say."""

import pytest

from slipway.finder.start import migrating
from slipway.finder.startup import migrating_call
from slipway.finder.tree import Tree

BOOT = "#!/bin/sh\n# alembic upgrade head ran here once\nwhile ! flask db upgrade; do sleep 5; done\nexec gunicorn app:app\n"
IMAGE = "FROM python:3.12\n"


@pytest.mark.parametrize(
    ("files", "command", "expected"),
    [
        (
            {},
            ("sh", "-c", "flask db upgrade && exec gunicorn app:app"),
            "sh -c flask db upgrade && exec gunicorn app:app",
        ),
        (
            {},
            ("sh", "-c", "alembic -c x.ini upgrade head; uvicorn a:b"),
            "sh -c alembic -c x.ini upgrade head; uvicorn a:b",
        ),
        ({}, ("litestar", "database", "upgrade"), "litestar database upgrade"),
        ({}, ("sh", "-c", "python -m pip install --upgrade x; gunicorn app:app"), ""),
        ({"boot.sh": BOOT}, ("./boot.sh",), "boot.sh: while ! flask db upgrade; do sleep 5; done"),
        ({"Procfile": "web: flask db upgrade; gunicorn app:app\n"}, (), "flask db upgrade; gunicorn app:app"),
        ({"Procfile": "release: flask db upgrade\nweb: gunicorn app:app\n"}, (), ""),
        (
            {"Dockerfile": f'{IMAGE}ENTRYPOINT ["/app/boot.sh"]\n', "docker/boot.sh": BOOT},
            (),
            "docker/boot.sh: while ! flask db upgrade; do sleep 5; done",
        ),
        ({"Dockerfile": f"{IMAGE}CMD gunicorn app:app\n", "boot.sh": BOOT}, (), ""),
    ],
)
def test_a_command_that_migrates_is_found_in_the_settings_or_the_files(files, command, expected):
    assert migrating(Tree.of(files), command) == expected


MIGRATION = """\
from alembic import command
from alembic.config import Config


def migrate_db(url):
    command.upgrade(Config("alembic.ini"), "head")
"""
CALLED = ("service/db.py line 6", 'command.upgrade(Config("alembic.ini"), "head")')
SERVICE = {
    "service/__init__.py": "",
    "service/db.py": MIGRATION,
    "service/core/__init__.py": "from ..db import migrate_db\n",
}
LIFESPAN = """\
from contextlib import asynccontextmanager
from fastapi import FastAPI
from service import db

@asynccontextmanager
async def lifespan(app):
    db.migrate_db("…")
    yield

app = FastAPI(lifespan=lifespan)
"""
ON_EVENT = """\
import asyncio
from fastapi import FastAPI

app = FastAPI()

@app.on_event("startup")
async def prepare():
    from service.core import migrate_db
    await asyncio.to_thread(migrate_db, "…")
"""
FACTORY = """\
from flask import Flask
from flask_migrate import Migrate, upgrade

class Database:
    def prepare(self):
        upgrade()

def create_app():
    app = Flask(__name__)
    Database().prepare()
    return app
"""
IN_A_PROCESS = """\
import subprocess, sys
from fastapi import FastAPI
subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], check=True)
app = FastAPI()
"""
ONLY_BY_HAND = """\
import click
from flask import Flask
from service import db
from service.core import migrate_db

class Operations:
    def migrate(self):
        db.migrate_db("…")

@click.command()
def migrating():
    migrate_db("…")

def create_app():
    app = Flask(__name__)
    app.cli.add_command(migrating)
    Operations()

    @app.cli.command("upgrade")
    def upgrade():
        migrate_db("…")

    @app.post("/migrations")
    def migrate():
        migrate_db("…")

    return app

if __name__ == "__main__":
    migrate_db("…")
"""


@pytest.mark.parametrize(
    ("module", "command", "expected"),
    [
        (LIFESPAN, ("uvicorn", "service.main:app"), CALLED),
        (LIFESPAN, (), CALLED),
        (ON_EVENT, ("uvicorn", "service.main:app"), CALLED),
        (FACTORY, ("gunicorn", "service.main:create_app()"), ("service/main.py line 6", "upgrade()")),
        (
            IN_A_PROCESS,
            (),
            (
                "service/main.py line 3",
                'subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], check=True)',
            ),
        ),
        (ONLY_BY_HAND, ("gunicorn", "service.main:create_app()"), None),
        ("from fastapi import FastAPI\napp = FastAPI()\n", (), None),
    ],
)
def test_an_application_that_migrates_when_it_starts_is_found_but_not_its_commands(module, command, expected):
    assert migrating_call(Tree.of({**SERVICE, "service/main.py": module}), command) == expected
