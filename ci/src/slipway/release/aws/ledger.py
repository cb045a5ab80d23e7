"""The store of an environment's ledger: an ECR repository of its own, which no role of another environment can write.

Older versions kept all ledgers in the repository of the images. One that has not been moved is used there, until a deployment or
`slipway bootstrap` has copied it.
"""

from collections.abc import Collection, Mapping, Sequence

from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import EcrStore
from slipway.release.engine.archive import move
from slipway.release.engine.ledger import ORIGIN, PREFIX, Stored
from slipway.release.errors import AwsRefusedError

_DENIED = ("AccessDenied", "AccessDeniedException")
_ABSENT = "RepositoryNotFoundException"
_MOVED = "moved"


class LedgerStore:
    """A ledger.Store in the repository `own`, or in `former` while the ledger has not been moved."""

    def __init__(self, aws: Aws, own: str, former: str, environment: str) -> None:
        self._own = EcrStore(aws, own)
        self._former = EcrStore(aws, former)
        self._environment = environment
        self._has_own: bool | None = None
        self._current: EcrStore | None = None

    async def check(self) -> bool:
        """Move the ledger if its own repository exists, and return whether it did.

        Raises RefusedError when tags can be overwritten in the repository that is used.
        """
        current = await self._place()
        if current is self._former and self._has_own:
            await self._own.check()
            await move(self._former, self._own, self._environment)
            self._current = self._own
            return True
        await current.check()
        return False

    async def is_moved(self) -> bool:
        """Return whether the ledger is in its own repository."""
        return await self._place() is self._own

    async def close_former(self) -> None:
        """Mark the former ledger as moved, so that a role that cannot read the new one is refused instead of writing there."""
        await self._former.put(self._name(_MOVED), "{}")

    async def put(self, name: str, text: str) -> bool:
        return await (await self._place()).put(name, text)

    async def names(self) -> Collection[str]:
        return await (await self._place()).names()

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return texts; the first call finds the ledger with the same request."""
        if self._current is not None:
            return await self._current.get(names)
        self._current, texts = await self._found(names)
        return texts if self._current is self._own else await self._current.get(names)

    async def stored(self, name: str) -> Stored | None:
        return await (await self._place()).stored(name)

    async def remove(self, key: str) -> None:
        await (await self._place()).remove(key)

    async def discard(self, names: Sequence[str]) -> None:
        await (await self._place()).discard(names)

    async def _place(self) -> EcrStore:
        if self._current is None:
            self._current, _ = await self._found()
        return self._current

    async def _found(self, names: Sequence[str] = ()) -> tuple[EcrStore, Mapping[str, str]]:
        """Return the repository that has the ledger, and the texts there; one without an origin has none yet."""
        origin = self._name(ORIGIN)
        try:
            texts = await self._own.get([origin, *(name for name in names if name != origin)])
        except AwsRefusedError as error:
            if error.code == _ABSENT or (error.code in _DENIED and await self._is_former_open()):
                return self._former, {}
            raise
        self._has_own = True
        place = self._own if origin in texts else self._former
        return place, {name: text for name, text in texts.items() if name in names}

    async def _is_former_open(self) -> bool:
        """Return whether a role that may not read the own repository uses the former one, as before there were others."""
        try:
            return not await self._former.get([self._name(_MOVED)])
        except AwsRefusedError as error:
            if error.code in _DENIED:
                return False  # what the role lacks is the permission on the own repository
            raise

    def _name(self, kind: str) -> str:
        return f"{PREFIX}{self._environment}.{kind}"


async def check_tags(aws: Aws, own: str, former: str) -> None:
    """Raise RefusedError when tags can be overwritten in the repository that has the ledger, or will have it."""
    try:
        await EcrStore(aws, own).check()
    except AwsRefusedError as error:
        if error.code not in (*_DENIED, _ABSENT):
            raise
        await EcrStore(aws, former).check()
