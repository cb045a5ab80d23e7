BAD_GRAPH = {"a": None, "released": "a", "new": "a", "merge": ("released", "new")}
GOOD_GRAPH = {"a": None, "released": "a", "new": "released"}
RELEASED = ("a", "released")
