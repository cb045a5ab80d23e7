"""Names of tables, as the catalog writes them and as statements and env.py do."""


def is_table(qualified: str, spelled: str) -> bool:
    """Whether a name with its schema is the table that is spelled so, with a schema or without; quotes do not matter."""
    name, wanted = qualified.replace('"', ""), spelled.replace('"', "")
    return name == wanted if "." in wanted else bool(wanted) and name.endswith(f".{wanted}")
