BAD_GRAPH = {"notes": None, "billing": None, "invoices": "billing", "merged": ("notes", "invoices")}
BAD_DEPENDS = {"invoices": "notes"}
GOOD_GRAPH = {"notes": None, "billing": None, "merged": ("notes", "billing"), "invoices": "merged"}
