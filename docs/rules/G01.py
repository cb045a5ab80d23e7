BAD_GRAPH = {"a": None, "b": "a", "c": "a"}
GOOD_GRAPH = {"a": None, "b": "a", "c": "a", "merge": ("b", "c")}
