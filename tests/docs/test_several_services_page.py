"""The services that docs/how-to/several-services.md shows."""

import re
from pathlib import Path

from slipway.release.bootstrap.template import check_same_foundation
from slipway.settings import parse
from slipway.settings.calls import graph_of, unreachable

PAGE = (Path(__file__).parents[2] / "docs/how-to/several-services.md").read_text()


def test_the_services_of_the_page_share_a_network_listen_for_others_and_reach_one_another():
    shown = [parse(text) for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
    graph = graph_of({each.name: each for each in shown})
    assert graph.order == ("billing", "web")
    assert [*unreachable(graph, "web", "production")] == []
    check_same_foundation(shown, "production")
    assert all("0.0.0.0" in each.command and each.health_path for each in shown)
