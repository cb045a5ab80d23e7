"""Open the browser of the person at this machine, when a desktop is running."""

import os
import re
import sys
import webbrowser
from collections.abc import Mapping

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[\w./~-]*)?", re.ASCII)


def open_in_browser(url: str) -> bool:
    """Open a URL and return whether a browser accepted it. Browsers that run in the terminal are not started."""
    if not _URL.fullmatch(url) or not _has_desktop(sys.platform, os.environ):
        return False
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False


def _has_desktop(platform: str, variables: Mapping[str, str]) -> bool:
    return platform in ("darwin", "win32") or any(map(variables.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
