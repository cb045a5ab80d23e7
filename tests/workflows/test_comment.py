"""The comment on a pull request, written to a server that has the needed piece of GitHub's API."""

import json
import runpy
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

SCRIPT = Path(__file__).parents[2] / "actions/comment/comment.py"
PULL = "/repos/octo/notes/issues/7/comments"


class GitHub(ThreadingHTTPServer):
    """Comments of one pull request; a token other than `good` may only read, and `login` is the person that it belongs to."""

    login = None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments, self.requests = [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/api/v3"

    def add(self, body, kind="Bot", login="someone"):
        number = len(self.comments) + 1
        address = f"{self.url}/repos/octo/notes/issues/comments/{number}"
        self.comments.append({"url": address, "user": {"type": kind, "login": login}, "body": body})


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.endswith("/user"):
            self.answer(200 if self.server.login else 403, {"login": self.server.login})
            return
        page, size = (int(parse_qs(urlsplit(self.path).query)[key][0]) for key in ("page", "per_page"))
        self.answer(200, self.server.comments[(page - 1) * size : page * size])

    def do_POST(self):
        self.write(lambda body: self.server.add(body["body"]) if self.path.endswith(PULL) else 1 / 0)

    def do_PATCH(self):
        self.write(self.server.comments[int(self.path.rpartition("/")[2]) - 1].update)

    def write(self, change):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer good":
            self.answer(403, {"message": "Resource not accessible by integration"})
            return
        self.server.requests.append(self.command)
        change(body)
        self.answer(200, {})

    def answer(self, code, value):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def github():
    with GitHub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def comment(github, tmp_path, monkeypatch):
    """Run the script on a report with this text; `event` is the workflow's."""
    main = runpy.run_path(str(SCRIPT))["main"]

    def run(text, *, new=1, findings=(), token="good", event=None, title="api"):
        report = tmp_path / "report"
        report.mkdir(exist_ok=True)
        (report / "comment.md").unlink(missing_ok=True)
        (report / "proof.json").unlink(missing_ok=True)
        if text is not None:
            (report / "comment.md").write_text(text)
            proof = {"coverage": {"new": new}, "findings": [{"suppressed": reason} for reason in findings]}
            (report / "proof.json").write_text(json.dumps(proof))
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 7}} if event is None else event))
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
        monkeypatch.setenv("GITHUB_REPOSITORY", "octo/notes")
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        monkeypatch.setenv("GITHUB_TOKEN", token)
        return main(report, title)

    return run


def bodies(github):
    return [each["body"] for each in github.comments if each["body"].startswith("<!--")]


def test_the_first_run_writes_a_comment_and_the_next_one_updates_it(comment, github):
    assert comment("refused") == "wrote the comment"
    for number in range(120):  # on the second page afterwards
        github.comments.insert(0, {"url": f"x/{number}", "user": None, "body": "a person's"})
    github.comments[-1]["url"] = f"{github.url}/repos/octo/notes/issues/comments/{len(github.comments)}"
    assert comment("passed", new=0) == "updated the comment"
    assert bodies(github) == ["<!-- slipway gate api -->\npassed"]


def test_each_service_of_a_repository_has_a_comment_of_its_own(comment, github):
    comment("one", title="services/a")
    comment("two", title="services/b --> <b>")
    assert bodies(github) == ["<!-- slipway gate services/a -->\none", "<!-- slipway gate services/b-b- -->\ntwo"]


def test_the_comment_of_a_person_who_quotes_the_marker_is_left_alone(comment, github):
    github.add("<!-- slipway gate api -->\nmine", kind="User")
    assert comment("refused") == "wrote the comment"
    assert bodies(github) == ["<!-- slipway gate api -->\nmine", "<!-- slipway gate api -->\nrefused"]


def test_a_comment_that_was_written_with_a_persons_token_is_updated_with_it(comment, github):
    github.login = "robot"
    github.add("<!-- slipway gate api -->\nmine", kind="User")
    github.add("<!-- slipway gate api -->\nbefore", kind="User", login="robot")
    assert comment("refused") == "updated the comment"
    assert bodies(github) == ["<!-- slipway gate api -->\nmine", "<!-- slipway gate api -->\nrefused"]


def test_a_change_without_revisions_gets_no_comment(comment, github):
    assert "no comment" in comment("passed", new=0, findings=["known"])
    assert comment("warned", new=0, findings=[None]) == "wrote the comment"


def test_several_services_have_news_when_one_of_them_has(comment, github, tmp_path):
    quiet = {"coverage": {"new": 0}, "findings": []}
    comment(None)
    github.comments.clear()
    (tmp_path / "report/comment.md").write_text("two services")
    for proofs, done in (((quiet, quiet), "no comment"), ((quiet, None), "wrote the comment")):
        record = {"services": [{"proof": proof} for proof in proofs]}
        (tmp_path / "report/proofs.json").write_text(json.dumps(record))
        assert done in runpy.run_path(str(SCRIPT))["main"](tmp_path / "report", "api")


def test_a_gate_that_could_not_run_replaces_an_older_verdict(comment, github, monkeypatch):
    comment("passed")
    monkeypatch.setenv("ERROR", "no ``` server\n@everyone")
    assert comment(None) == "updated the comment"
    assert bodies(github) == [
        "<!-- slipway gate api -->\n### Migrations were not checked\n\n```text\nno ''' server @everyone\n```\n"
    ]


def test_a_token_that_may_not_write_is_a_notice(comment, github):
    assert "403, as for every pull request of a fork" in comment("refused", token="of a fork")
    assert github.comments == []


def test_an_event_without_a_pull_request_and_a_silent_server_are_notices(comment, github, monkeypatch):
    assert comment("passed", event={}) == "there is no pull request to comment on"
    monkeypatch.setattr(GitHub, "url", "http://127.0.0.1:9")
    assert "did not answer" in comment("passed")
