"""The files and effects that docs/how-to/simulator.md shows."""

import re
from pathlib import Path

from slipway.local.simulator import Beginning
from slipway.settings import parse
from slipway.simulator.faults import Effect

PAGE = (Path(__file__).parents[2] / "docs/how-to/simulator.md").read_text()


def test_the_simulator_reads_the_files_of_the_page(tmp_path):
    files = []
    settings, *snippets = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for number, snippet in enumerate(snippets):
        files.append(tmp_path / f"{number}.toml")
        files[-1].write_text(snippet)
    account, *files = files
    (secret,) = Beginning.of(account, None, {}).state.databases
    staging = parse(f'[tool.slipway]\nname = "notes"\ncommand = ["x"]\n{settings}').environment("staging")
    assert staging.secrets == {"DATABASE_URL": secret}
    beginning = Beginning.of(*files, {"NOTES_DATABASE_URL": "postgresql://"})
    assert (len(beginning.state.secrets), [each.effect for each in beginning.faults.fault]) == (1, [Effect.ANSWER_LOST])


def test_the_page_names_every_effect():
    assert set(re.findall(r"^\| `([a-z ]+)` \| ", PAGE, re.MULTILINE)) >= {
        effect.value for effect in Effect if effect is not Effect.OVERTAKEN
    }
