"""A catalog as lines of text, and what a step changed as lines that came and went."""

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
        """The line as a number; the sum over all lines is the same whatever their order."""
        text = f"{self.kind}\0{self.name}\0{self.definition}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def fingerprint(total: int) -> str:
    """The name of a whole catalog, from the sum of its lines' numbers."""
    return f"{total % 2**128:032x}"


@dataclass(frozen=True)
class Change:
    """What a step did to the catalog."""

    added: tuple[Line, ...] = ()
    removed: tuple[Line, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    @classmethod
    def between(cls, before: Iterable[Line], after: Iterable[Line]) -> "Change":
        """The difference of two sets of lines, in which a line may stand more than once."""
        had, has = Counter(before), Counter(after)
        return cls(tuple(sorted((has - had).elements())), tuple(sorted((had - has).elements())))

    def then(self, later: "Change") -> "Change":
        """Both, one after the other; what the second undid is gone."""
        return Change.between([*self.removed, *later.removed], [*self.added, *later.added])

    @property
    def number(self) -> int:
        """What it adds to the sum of all lines."""
        return sum(line.number() for line in self.added) - sum(line.number() for line in self.removed)
