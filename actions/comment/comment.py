"""Write the gate's verdict as one comment of a pull request, and update it in later runs: comment.py REPORT [TITLE].

The folder holds comment.md and proof.json, or proofs.json, of `slipway gate --report`; without them the gate could not run, for the reason in ERROR. A comment is information: whatever keeps it from being written is
one notice in the log, and the exit code is 0. Needs only the standard library.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

_LONGEST = 60_000  # GitHub accepts 65 536 characters
_PAGES = 30
_SECONDS = 20


def main(report: Path, title: str) -> str:
    """Write the comment and return what was done, or why not."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    number = event.get("pull_request", {}).get("number")
    if not isinstance(number, int):
        return "there is no pull request to comment on"
    comments = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{number}/comments"
    marker = f"<!-- slipway gate {re.sub(r'[^A-Za-z0-9._/]+', '-', title)} -->"
    body = {"body": f"{marker}\n{text_of(report)[:_LONGEST]}"}
    try:
        return write(comments, marker, body, news=has_news(report))
    except HTTPError as error:
        forks = ", as for every pull request of a fork" if error.code == 403 else ""
        return f"GitHub refused the comment ({error.code}{forks}); the job's summary has the report"
    except (OSError, ValueError) as error:
        return f"GitHub did not answer ({type(error).__name__}); the job's summary has the report"


def write(comments: str, marker: str, body: object, *, news: bool) -> str:
    """Update the comment of an earlier run, or write one if there is news."""
    if before := own_comment(comments, marker):
        call("PATCH", before, body)
        return "updated the comment"
    if not news:
        return "there is no new revision and no finding, so no comment"
    call("POST", comments, body)
    return "wrote the comment"


def text_of(report: Path) -> str:
    """Return the comment of a report, or that there is none."""
    if (report / "comment.md").is_file():
        return (report / "comment.md").read_text(encoding="utf-8")
    reason = " ".join(os.environ.get("ERROR", "").replace("`", "'").split()) or "the log of the job has the reason"
    return f"### Migrations were not checked\n\n```text\n{reason}\n```\n"


def own_comment(comments: str, marker: str) -> str:
    """Return the path of the comment that an earlier run wrote, otherwise an empty text; people may quote the marker, which does not count."""
    for page in range(1, _PAGES + 1):
        listed = call("GET", f"{comments}?per_page=100&page={page}")
        for each in listed:
            if each["body"].startswith(f"{marker}\n") and is_ours(each["user"]):
                return urlsplit(each["url"]).path.removeprefix(urlsplit(os.environ["GITHUB_API_URL"]).path)
        if len(listed) < 100:
            break
    return ""


def is_ours(user: Any) -> bool:
    """Return whether a comment's author is a bot, or the person whose token this is."""
    if not user or user["type"] == "Bot":
        return bool(user)
    try:
        return bool(call("GET", "/user")["login"] == user["login"])
    except HTTPError:  # the token of a job may not ask
        return False


def has_news(report: Path) -> bool:
    """Return whether the gate tested a new revision, found anything, or could not run."""
    file = next((report / name for name in ("proof.json", "proofs.json") if (report / name).is_file()), None)
    if file is None:
        return True
    record = json.loads(file.read_text(encoding="utf-8"))
    proofs = [service["proof"] for service in record["services"]] if "services" in record else [record]
    return any(map(is_news, proofs))


def is_news(proof: Any) -> bool:
    """Return whether a proof has a new revision or a finding, or could not be made."""
    if proof is None:
        return True
    return bool(proof["coverage"]["new"] or [each for each in proof["findings"] if each["suppressed"] is None])


def call(method: str, path: str, body: object = None) -> Any:
    """Call GitHub's API; raises HTTPError, or OSError without an answer."""
    request = Request(
        os.environ["GITHUB_API_URL"] + path,
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Content-Type": "application/json",
        },
    )
    with urlopen(request, timeout=_SECONDS) as answer:
        return json.load(answer)


if __name__ == "__main__":
    print(f"::notice title=slipway::{main(Path(sys.argv[1]), ''.join(sys.argv[2:]))}")
