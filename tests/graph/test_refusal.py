from types import SimpleNamespace

import anyio
import dagger
import pytest
from dagger._exceptions import QueryErrorValue  # the package exports it under no other name

from slipway.graph.refusal import meaning
from slipway.objects.function import FunctionError, one_sentence


def engine_says(message, **extensions):
    return dagger.QueryError([QueryErrorValue(message, extensions=extensions)], SimpleNamespace(document=""))


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            'failed to resolve image "docker.io/library/python:3.14-slim@sha256:48" (platform: "linux/amd64"): docker.io/library/python:3.14-slim@sha256:48: not found',
            "the image docker.io/library/python:3.14-slim@sha256:48 cannot be pulled, not found: name another one, of a mirror for example, in [tool.slipway.images]",
        ),
        (
            'unknown error (failed to resolve image "ghcr.io/astral-sh/uv:1" (platform: "linux/amd64"): failed to do request: Head "https://ghcr.io/v2/": dial tcp: lookup ghcr.io: no such host)',
            "the image ghcr.io/astral-sh/uv:1 cannot be pulled, no such host: name another one, of a mirror for example, in [tool.slipway.images]",
        ),
        (
            "unexpected status from POST request to http://127.0.0.1:5000/v2/notes/blobs/uploads/: 404 Not Found\nunknown: The repository does not exist",
            "the registry refuses the image, 404 Not Found unknown: The repository does not exist: correct --address, make the repository, or sign in with an account that may push there",
        ),
        (
            'failed to do request: Head "http://127.0.0.1:1/v2/notes/blobs/sha256:78861b": EOF',
            "the registry 127.0.0.1:1 does not answer, EOF: start it, or correct --address or --registry",
        ),
        (
            "failed to copy: write /var/lib/dagger/x: no space left on device",
            "the engine's disk is full: free it with `dagger core engine local-cache prune`, or give it more; `slipway doctor` shows how much is left",
        ),
        (
            'rpc error: code = Unknown desc = secret env var not found: "NOT..."',
            'a secret cannot be read, secret env var not found: "NOT...": correct the value of --credentials, --password or --build-secrets',
        ),
        (
            'rpc error: code = Unknown desc = failed to run secret command "exit 3": exit status 3',
            'a secret cannot be read, failed to run secret command "exit 3": exit status 3: correct the value of --credentials, --password or --build-secrets',
        ),
        (
            f"failed to load container from converted ID: load Container@CodOChV4eGgz{'OmJmODM0MTRk' * 99}==: load Directory@{'aB3/' * 20}: failed to content hash dockerfile copy: failed to copy source directory: lstat /alembic.cfg: no such file or directory",
            "the Dockerfile copies /alembic.cfg, which is not there: correct it, and look for it in .dockerignore and .gitignore, which leave files out of the build",
        ),
        (
            "stat app/main.py/pyproject.toml: failed to stat path: failed to receive file bytes message: rpc error: code = Unknown desc = stat path: lstat /src/app/main.py/pyproject.toml: not a directory",
            "app/main.py is a file: name the service's folder",
        ),
        (
            'failed to resolve identity inputs for Container.from: resolve implicit input "fromSessionScope": failed to parse image address Not A Ref: invalid reference format: repository name (library/Not A Ref) must be lowercase',
            "'Not A Ref' is no address of an image: correct it in [tool.slipway.images], or in the argument that names it",
        ),
        (
            "failed to stat user: no such user: postgres",
            "the image of Postgres has no user postgres: name one that has it, as the official images do, as postgres in [tool.slipway.images], or with --postgres-image",
        ),
        (
            "stat /uv: no such file or directory",
            "the image of uv has no file /uv: name one of ghcr.io/astral-sh/uv as uv in [tool.slipway.images], or with --uv-image",
        ),
        (
            'path "../../pyproject.toml" resolves outside root "/src/notes"',
            "../.. is outside of the repository: name the service's folder in it with --path",
        ),
    ],
)
def test_an_engine_error_becomes_one_sentence_with_a_next_step(message, sentence):
    assert str(meaning(engine_says(message))) == sentence


def test_the_error_of_a_failed_program_starts_at_its_word_error():
    error = engine_says(
        "exit code: 1", _type="EXEC_ERROR", cmd=["uv", "sync", "--locked"], exitCode=1, stdout="",
        stderr="Using CPython 3.14\nResolved 32 packages\nerror: The lockfile needs to be updated.\nhint: run `uv lock`.\n",
    )  # fmt: skip
    assert str(meaning(error)) == (
        "`uv sync --locked` ended with the exit code 1: error: The lockfile needs to be updated. hint: run `uv lock`."
    )


def test_what_a_compiler_reports_on_standard_output_is_shown_before_the_words_of_its_runner():
    error = engine_says(
        "exit code: 2", _type="EXEC_ERROR", cmd=["npm", "run", "build"], exitCode=2,
        stdout="> web@1 build\n> tsc\n\nsrc/main.ts(1,7): error TS2322: no string\n\n", stderr="npm error command failed\n",
    )  # fmt: skip
    assert str(meaning(error)) == (
        "`npm run build` ended with the exit code 2: src/main.ts(1,7): error TS2322: no string npm error command failed"
    )


def test_the_error_of_a_failed_build_omits_the_frames_of_its_traceback():
    said = (
        "error: Failed to build `notes`\n  [stderr]\n  Traceback (most recent call last):\n"
        '    File "<string>", line 11, in <module>\n      raise ValueError(message)\n      ^^^\n  ValueError: which files?\n\nhint: look\n'
    )
    error = engine_says("exit code: 2", _type="EXEC_ERROR", cmd=["uv", "pip"], exitCode=2, stdout="", stderr=said)
    assert str(meaning(error)) == (
        "`uv pip` ended with the exit code 2: error: Failed to build `notes` [stderr] ValueError: which files? hint: look"
    )


async def test_an_unknown_engine_error_is_shown_in_its_own_words_without_a_traceback():
    @one_sentence
    async def command():
        raise engine_says(f"load Container@{'aB3/' * 500}: something\nelse [traceparent:a8-9d]")

    assert meaning(engine_says("something else")) is None
    with pytest.raises(FunctionError, match=r"^the engine failed: something else$"):
        await command()


async def test_the_error_is_found_in_a_group():
    with pytest.raises(ExceptionGroup) as group:
        async with anyio.create_task_group():
            raise engine_says("write: no space left on device")
    assert "the engine's disk is full" in str(meaning(group.value))


def test_a_long_output_keeps_its_end_with_the_exception():
    error = engine_says(
        "exit code: 1", _type="EXEC_ERROR", cmd=["alembic"], exitCode=1, stdout="",
        stderr="INFO setting up\n" * 200 + "sqlalchemy.exc.ProgrammingError: there is no such table\n",
    )  # fmt: skip
    assert str(meaning(error)).endswith("INFO setting up sqlalchemy.exc.ProgrammingError: there is no such table")
    assert len(str(meaning(error))) < 1100


@pytest.mark.parametrize(
    ("said", "next_step"),
    [
        ("error: No interpreter found for Python >=3.15 in search path", "name a fitting image as python in [tool.slipway.images], or with --python-image"),
        ("error: Distribution `psycopg-binary==3.2.4` can't be installed hint: it only has wheels with the following Python ABI tags: `cp312`", "write one of these Pythons into .python-version, as 3.13 for cp313, or update the lock"),
    ],
)  # fmt: skip
def test_a_python_that_does_not_fit_the_service_is_answered_with_where_to_name_another(said, next_step):
    error = engine_says(
        "exit code: 2", _type="EXEC_ERROR", cmd=["uv", "sync"], exitCode=2, stdout="", stderr=f"{said}\n"
    )
    assert str(meaning(error)) == f"{said}: {next_step}"
