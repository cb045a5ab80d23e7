"""Whether a service migrates when it starts, as its command or its files say."""

import pytest

from slipway.finder.start import migrating
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
