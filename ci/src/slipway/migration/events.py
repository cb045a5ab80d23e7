"""Listeners to the events of every SQLAlchemy engine in this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine


class _Listeners:
    """The current listeners, by the event's name.

    SQLAlchemy's own collection must not change while another thread iterates over it. So each event gets one function
    that is never removed.
    """

    lock = threading.Lock()
    of: dict[str, tuple[Callable[..., object], ...]] = {}  # noqa: RUF012 -- one of a process


@contextmanager
def listening(**listeners: Callable[..., object]) -> Iterator[None]:
    """Call these functions on events of every engine of this process, by the event's name, during the block."""
    for name, listener in listeners.items():
        with _Listeners.lock:
            if name not in _Listeners.of:
                event.listen(Engine, name, _calling(name))
            _Listeners.of[name] = (*_Listeners.of.get(name, ()), listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            with _Listeners.lock:
                left = list(_Listeners.of[name])
                left.remove(listener)
                _Listeners.of[name] = tuple(left)


def _calling(name: str) -> Callable[..., None]:
    def call(*arguments: object) -> None:
        for listener in _Listeners.of.get(name, ()):
            listener(*arguments)

    return call
