import psycopg
import pytest

LARGEST_ID = 2**63 - 1


async def test_a_note_reads_back_as_it_was_created(service):
    created = await service.post("/notes", json={"title": "Milk", "body": "Two litres, ☃ cold"})
    assert created.status_code == 201
    note = (await service.get(created.headers["location"])).json()
    assert note == created.json()
    assert (note["title"], note["body"]) == ("Milk", "Two litres, ☃ cold")


async def test_the_body_of_a_note_is_optional(service):
    created = await service.post("/notes", json={"title": "Milk"})
    assert (created.status_code, created.json()["body"]) == (201, "")


async def test_the_list_starts_with_the_newest_note(service):
    for title in ("first", "second", "third"):
        await service.post("/notes", json={"title": title})
    listed = await service.get("/notes")
    assert [note["title"] for note in listed.json()] == ["third", "second", "first"]


async def test_the_list_is_limited_to_one_page(service):
    for number in range(52):
        await service.post("/notes", json={"title": str(number)})
    listed = (await service.get("/notes")).json()
    assert [note["title"] for note in listed] == [str(number) for number in range(51, 1, -1)]


@pytest.mark.parametrize(
    "number", ["0", "1", "-1", "one", "1.0", "٣", LARGEST_ID, LARGEST_ID + 1, "9" * 40, "9" * 5000]
)
async def test_an_unknown_note_is_not_found(service, number):
    answer = await service.get(f"/notes/{number}")
    assert answer.status_code == 404
    assert "error" in answer.json()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"title=Milk", "not JSON"),
        (b'{"title": "Milk"', "not JSON"),
        (b'{"title": "\xff"}', "not JSON"),
        (b'{"title": ' + b"1" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"null", "must be an object"),
        (b'["Milk"]', "must be an object"),
        (b'"Milk"', "must be an object"),
        (b"{}", "title must be a non-empty string"),
        (b'{"title": null}', "title must be a non-empty string"),
        (b'{"title": 1}', "title must be a non-empty string"),
        (b'{"title": ["Milk"]}', "title must be a non-empty string"),
        (b'{"title": ""}', "title must be a non-empty string"),
        (b'{"title": " \\n"}', "title must be a non-empty string"),
        (b'{"title": "Milk", "body": null}', "body must be a string"),
        (b'{"title": "Milk", "body": 2}', "body must be a string"),
        (b'{"title": "Mi\\u0000lk"}', "NUL"),
        (b'{"title": "Milk", "body": "\\u0000"}', "NUL"),
        (b'{"title": "Mi\\ud800lk"}', "surrogates"),
        (b'{"title": "Milk", "body": "\\udfff"}', "surrogates"),
    ],
)
async def test_an_invalid_note_is_refused_with_the_reason(service, body, complaint):
    answer = await service.post("/notes", content=body)
    assert answer.status_code == 422
    assert complaint in answer.json()["error"]
    assert (await service.get("/notes")).json() == []


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/notes", 405)])
async def test_an_unknown_path_or_method_is_refused_as_json(service, method, path, status):
    answer = await service.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


async def test_a_connection_closed_by_the_database_is_replaced(service, server, migrated):
    await service.post("/notes", json={"title": "Milk"})
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [migrated.rpartition("/")[2]]
        )
    assert (await service.get("/notes")).status_code == 200
