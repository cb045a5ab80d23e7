"""A session of the gate that stays open beside the service's sessions during a layer."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from queue import SimpleQueue
from typing import Any

from sqlalchemy.engine import URL, Connection

from slipway.migration.database import directly, with_connection


@contextmanager
def session_beside(url: URL, *, exempt: bool = False) -> Iterator[Callable[[Callable[[Connection], Any]], Any]]:
    """Yield a function that does work on one connection, which stays open during the block in a thread of its own.

    With `exempt` it connects to `url` even while connections are redirected, and gets none of their settings.
    """
    tasks: SimpleQueue[tuple[Callable[[Connection], Any], Future[Any]] | None] = SimpleQueue()

    def serve(connection: Connection) -> None:
        while task := tasks.get():
            work, outcome = task
            try:
                outcome.set_result(work(connection))
            except Exception as error:  # noqa: BLE001 -- raised in the waiting thread
                outcome.set_exception(error)

    def session() -> None:
        with directly() if exempt else nullcontext():
            with_connection(url, serve)

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(session)

        def do(work: Callable[[Connection], Any]) -> Any:
            outcome: Future[Any] = Future()
            tasks.put((work, outcome))
            done, _ = wait((outcome, served), return_when=FIRST_COMPLETED)
            return (outcome if outcome in done else served).result()

        try:
            # while it connects, SQLAlchemy reads listeners, to which env.py may add some at the same time
            do(lambda _: None)
            yield do
        finally:
            tasks.put(None)
