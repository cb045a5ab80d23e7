BAD_GRAPH = {"a": None, "edited": "a"}
GOOD_GRAPH = {"a": None, "untouched": "a", "new": "untouched"}
RELEASED = ("a", "edited", "untouched")
