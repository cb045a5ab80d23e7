"""The files and effects that docs/how-to/simulator.md shows."""

import re
from pathlib import Path

from slipway.local.simulator import Beginning
from slipway.simulator.faults import Effect

PAGE = (Path(__file__).parents[2] / "docs/how-to/simulator.md").read_text()


def test_the_simulator_reads_the_files_of_the_page(tmp_path):
    files = []
    for number, snippet in enumerate(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)):
        files.append(tmp_path / f"{number}.toml")
        files[-1].write_text(snippet)
    beginning = Beginning.of(*files, {"NOTES_DATABASE_URL": "postgresql://"})
    assert (len(beginning.state.secrets), [each.effect for each in beginning.faults.fault]) == (1, [Effect.ANSWER_LOST])


def test_the_page_names_every_effect():
    assert set(re.findall(r"^\| `([a-z ]+)` \| ", PAGE, re.MULTILINE)) >= {
        effect.value for effect in Effect if effect is not Effect.OVERTAKEN
    }
