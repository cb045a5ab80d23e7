"""A catalog as lines of text, and a change as added and removed lines."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Line:
    """One fact of a catalog: `column`, `public.notes.title`, `text not null`."""

    kind: str
    name: str
    definition: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, self.definition) if part)

    def number(self) -> int:
        """Hash the line to a number; the sum over all lines is independent of their order."""
        text = f"{self.kind}\0{self.name}\0{self.definition}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def fingerprint(total: int) -> str:
    """Format the sum of a catalog's line numbers as its fingerprint."""
    return f"{total % 2**128:032x}"


@dataclass(frozen=True)
class Change:
    """The lines that a step added to and removed from a catalog."""

    added: tuple[Line, ...] = ()
    removed: tuple[Line, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    @classmethod
    def between(cls, before: Iterable[Line], after: Iterable[Line]) -> "Change":
        """Return the difference of two multisets of lines."""
        had, has = Counter(before), Counter(after)
        return cls(tuple(sorted((has - had).elements())), tuple(sorted((had - has).elements())))

    def then(self, later: "Change") -> "Change":
        """Combine two successive changes; lines that the second one undid cancel out."""
        return Change.between([*self.removed, *later.removed], [*self.added, *later.added])

    @property
    def number(self) -> int:
        """Its contribution to the sum of all lines."""
        return sum(line.number() for line in self.added) - sum(line.number() for line in self.removed)
