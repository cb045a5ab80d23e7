"""Express Mode with real processes under traffic; `SLIPWAY_PROCESSES=1` plays it, which takes some twenty seconds."""

import os
from collections import Counter
from pathlib import Path

import anyio
import httpx
import pytest

from slipway.oci.artifact import File, pack
from slipway.oci.registry import opened as registry_opened
from slipway.simulator.clock import Clock
from slipway.simulator.cloud import LOGIN
from slipway.workload.process import HostBackend
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import Account, opened
from tests.simulator.express import Notes, trust
from tests.workload.test_host import LOCK, PROJECT, SERVING

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("SLIPWAY_PROCESSES" not in os.environ, reason="SLIPWAY_PROCESSES=1 plays it"),
]


async def release(account: Account, *pages: str) -> str:
    """Push a release that serves pages; its front page has the name of the last one."""
    files = [File(f"{page}.html", page.encode()) for page in pages]
    async with registry_opened(account.cloud.url, "notes", LOGIN) as registry:
        return await registry.push(
            pack((PROJECT, LOCK, *files, File("index.html", pages[-1].encode())), SERVING, 0, {})
        )


async def test_no_request_fails_while_a_release_takes_over_and_one_that_lost_a_page_goes_back(tmp_path: Path):
    async with opened(lambda url: HostBackend(url=url, login=LOGIN, cache=tmp_path), Clock(100)) as account:
        trust(account)
        first, second, worse = [await release(account, *pages) for pages in (("a", "b"), ("a", "b", "c"), ("d",))]
        notes = await Notes(account).created(first, healthCheckPath="/")
        address = account.cloud.ecs.express.services[notes.arn].gateway.front.address
        answers: Counter[str] = Counter()

        async def ask() -> None:
            async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
                while True:
                    answer = await client.get(f"http://{address}/a.html")
                    answers[str(answer.status_code)] += 1

        async with anyio.create_task_group() as traffic:
            traffic.start_soon(ask)
            assert (await notes.ended(await notes.update(second, healthCheckPath="/")))["status"] == "SUCCESSFUL"
            assert set(answers) == {"200"}
            assert (await notes.ended(await notes.update(worse, healthCheckPath="/")))[
                "status"
            ] == "ROLLBACK_SUCCESSFUL"
            assert set(answers) == {"200", "404"}
            answers.clear()
            await account.cloud.clock.sleep(30)
            assert set(answers) == {"200"}
            traffic.cancel_scope.cancel()
