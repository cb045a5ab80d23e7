"""`slipway open`: the URL goes to a browser only where a desktop is, and only if it is one."""

import sys
import webbrowser

import pytest

from slipway.local.browser import open_in_browser

URL = "https://abc.eu-west-1.awsapprunner.com"


@pytest.fixture
def opened(monkeypatch):
    """The URLs that a browser was given."""
    urls = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(urls.append(url)) or True)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    return urls


def test_a_machine_without_a_desktop_opens_nothing(opened):
    assert not open_in_browser(URL)
    assert opened == []


def test_a_desktop_gets_the_url_and_no_other_text(opened, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_in_browser(URL)
    for other in ("https://None", "file:///etc/passwd", "https://x y", "javascript:1", f"{URL}@evil/$(x)", "--remote"):
        open_in_browser(other)
    assert opened == [URL, "https://None"]


def test_a_browser_that_does_not_start_changes_nothing(opened, monkeypatch):
    def fails(_url):
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", fails)
    assert not open_in_browser(URL)
