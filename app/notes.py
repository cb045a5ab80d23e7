"""The notes resource: create, list, read."""

import re

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.models import Note

PAGE = 50
LARGEST_ID = 2**63 - 1
ID = re.compile(r"[0-9]{1,19}")  # int() raises on thousands of digits
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def session(request: Request) -> AsyncSession:
    return AsyncSession(request.app.state.engine, expire_on_commit=False)


def as_json(note: Note) -> dict[str, object]:
    return {"id": note.id, "title": note.title, "body": note.body, "created_at": note.created_at.isoformat()}


async def text_fields(request: Request) -> tuple[str, str]:
    """Return title and body of a request; raises 422 with the reason."""
    try:
        content = await request.json()
    except (ValueError, RecursionError) as error:  # not UTF-8 and endless numbers are plain ValueErrors
        raise HTTPException(422, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise HTTPException(422, "the body must be an object with title and body")
    title, body = content.get("title"), content.get("body", "")
    if not isinstance(title, str) or not title.strip():
        raise HTTPException(422, "title must be a non-empty string")
    if not isinstance(body, str):
        raise HTTPException(422, "body must be a string")
    if UNSTORABLE.search(title + body):
        raise HTTPException(422, "Postgres cannot store NUL characters or lone surrogates")
    return title, body


async def create(request: Request) -> JSONResponse:
    title, body = await text_fields(request)
    async with session(request) as db:
        note = Note(title=title, body=body)
        db.add(note)
        await db.commit()
        await db.refresh(note)
    return JSONResponse(as_json(note), 201, {"location": f"/notes/{note.id}"})


async def newest(request: Request) -> JSONResponse:
    async with session(request) as db:
        notes = await db.scalars(select(Note).order_by(Note.created_at.desc(), Note.id.desc()).limit(PAGE))
        return JSONResponse([as_json(note) for note in notes])


async def one(request: Request) -> JSONResponse:
    requested = request.path_params["id"]
    number = int(requested) if ID.fullmatch(requested) else 0
    async with session(request) as db:
        note = await db.get(Note, number) if 0 < number <= LARGEST_ID else None
    if note is None:
        raise HTTPException(404, "no such note")
    return JSONResponse(as_json(note))


routes = [
    Route("/notes", create, methods=["POST"]),
    Route("/notes", newest),
    Route("/notes/{id}", one),
]
