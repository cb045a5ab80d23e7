BAD_GRAPH = {"a": None, "c": "b"}
GOOD_GRAPH = {"a": None, "b": "a", "c": "b"}
