RELEASED = ("first",)
AHEAD = {"theirs": "first"}

BAD_GRAPH = {"first": None, "ours": "first"}
GOOD_GRAPH = {"first": None, "theirs": "first", "ours": "theirs"}
