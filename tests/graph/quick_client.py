"""The dagger-io client with its own converter made only where one is needed; it would make one for each step, of four milliseconds."""

from typing import Any

import dagger.client._core as core

make_converter = core.make_converter
_plain = make_converter(core.Context())


class Converter:
    """In place of a converter of `context`."""

    def __init__(self, context: core.Context) -> None:
        self._context = context
        self.unstructure = _plain.unstructure

    def structure(self, value: Any, kind: Any) -> Any:
        converter = _plain if kind in (str, bool, int, type(None)) else make_converter(self._context)
        return converter.structure(value, kind)
