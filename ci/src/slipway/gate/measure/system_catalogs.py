"""The system catalogs that are read, the user's rows in them, and the line for each row.

Rarely used kinds of objects are not read: roles and default privileges, publications and subscriptions, foreign
servers, casts, operators and their classes, text search, large objects, event triggers.
"""

from dataclasses import dataclass

FIRST_USER_OID = 16384  # FirstNormalObjectId, src/include/access/transam.h

# Files of relations are numbered from the same counter as oids, so both show which relation is newer
# (GetNewRelFileNumber, src/backend/catalog/catalog.c).
NEWEST_OID = """(SELECT greatest((SELECT max(oid) FROM pg_class)::int8,
                 (SELECT max(relfilenode) FROM pg_class WHERE reltablespace = 0)::int8)::text)"""
# Every relation with its name, for the queries of lines. Temporary and TOAST tables do not belong to a schema.
RELATIONS = """
    SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_(temp|toast)'
"""


def _user(column: str) -> str:
    return f"{column} >= {FIRST_USER_OID}"


@dataclass(frozen=True, kw_only=True)
class SystemCatalog:
    """One catalog, as fragments of SQL. `r` is its row, `x` is the row's relation."""

    name: str
    where: str = _user("r.oid")  # selects the rows of the user
    key: str = "r.oid"  # identifies a row for its lifetime
    owner: str = "r.oid"  # the relation, type, function, schema or extension to which the row belongs
    kind: str
    called: str  # the name
    definition: str  # a NULL yields no line
    joins: str = ""  # the tables that are needed for kind, name and definition
    versions: tuple[str, ...] = ("r",)  # the rows whose xmin shows a change of the line
    rare: bool = False  # whether most services have no such object

    def young(self, boundary: str) -> str:
        """Return the query for lines of rows that this transaction or a later one wrote."""
        return f"{self._lines} AND ({' OR '.join(is_young(version, boundary) for version in self.versions)})"

    def of(self, owners: str) -> str:
        """Return the query for lines of rows with these owners, which are an array of oids."""
        return f"{self._lines} AND {self.owner} = ANY ({owners})"

    def keys(self) -> str:
        return f"SELECT '{self.name}', concat_ws('.', {self.key}) FROM {self.name} r WHERE {self.where}"

    @property
    def _lines(self) -> str:
        """Return the query for catalog, key, owner, kind, name and definition."""
        columns = f"'{self.name}', concat_ws('.', {self.key}), ({self.owner})::text, ({self.kind})::text, {self.called}, {self.definition}"
        return f"SELECT {columns} FROM {self.name} r {self.joins} WHERE {self.where}"


def is_young(row: str, boundary: str) -> str:
    """Return the condition that this transaction or a later one wrote a row. xids are ordered by age only."""
    return f"age({row}.xmin) <= (SELECT age({boundary}))"


def _belongs_to(relation: str) -> str:
    return f"JOIN relations x ON x.oid = {relation}"


def _with_owner(words: str, owner: str, grants: str, kind: str) -> str:
    """Return an expression that appends owner and grants to a definition.

    After the last REVOKE, Postgres states the defaults explicitly (`acldefault`).
    """
    unusual = f"nullif({grants}::text, acldefault({kind}, {owner})::text)"
    return f"concat_ws(' ', {words}, '| owner', pg_get_userbyid({owner}), {unusual})"


SYSTEM_CATALOGS = (
    SystemCatalog(
        name="pg_namespace",
        where=f"({_user('r.oid')} OR r.nspname = 'public') AND r.nspname !~ '^pg_(temp|toast)'",
        kind="'schema'",
        called="quote_ident(r.nspname)",
        definition=_with_owner("NULL::text", "r.nspowner", "r.nspacl", "'n'"),
    ),
    SystemCatalog(
        name="pg_extension",
        rare=True,
        kind="'extension'",
        called="quote_ident(r.extname)",
        definition="concat(r.extversion, ' in ', r.extnamespace::regnamespace)",
    ),
    SystemCatalog(
        name="pg_class",
        where=f"{_user('r.oid')} AND r.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')",
        joins=_belongs_to("r.oid"),
        kind="""CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'composite type' END""",
        called="x.name",
        definition=_with_owner(
            """CASE r.relpersistence WHEN 'u' THEN 'unlogged' END, array_to_string(r.reloptions, ','),
            CASE WHEN r.relrowsecurity THEN 'row security' END, CASE WHEN r.relforcerowsecurity THEN 'forced' END,
            CASE WHEN r.relreplident NOT IN ('d', 'n') THEN format('replica identity %s', r.relreplident) END,
            CASE WHEN r.relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(r.oid) END, pg_get_expr(r.relpartbound, r.oid)""",
            "r.relowner",
            "r.relacl",
            "CASE r.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END",
        ),
    ),
    # PostgreSQL 17.12 stores `pg_attver`, an internal number, among the options of a column with a default (seen in
    # Debian's version).
    SystemCatalog(
        name="pg_attribute",
        where=f"{_user('r.attrelid')} AND r.attnum > 0",
        key="r.attrelid, r.attnum",
        owner="r.attrelid",
        joins=_belongs_to("r.attrelid"),
        kind="'column'",
        called="x.name || '.' || quote_ident(r.attname)",
        definition="""CASE WHEN NOT r.attisdropped AND x.relkind IN ('r', 'p', 'f', 'c') THEN
                concat_ws(' ', format_type(r.atttypid, r.atttypmod),
                CASE WHEN r.attcollation NOT IN (0, 'default'::regcollation) THEN 'collate ' || r.attcollation::regcollation END,
                CASE WHEN r.attnotnull THEN 'not null' END,
                CASE r.attgenerated WHEN 's' THEN 'generated stored ' WHEN 'v' THEN 'generated virtual ' ELSE 'default ' END
                    || (SELECT pg_get_expr(f.adbin, f.adrelid) FROM pg_attrdef f WHERE r.atthasdef AND (f.adrelid, f.adnum) = (r.attrelid, r.attnum)),
                CASE r.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
                CASE WHEN r.attoptions IS NOT NULL THEN
                    (SELECT string_agg(o, ',') FROM unnest(r.attoptions) o WHERE o NOT LIKE 'pg\\_attver=%') END, r.attacl::text) END""",
    ),
    *(
        SystemCatalog(
            name="pg_constraint",
            # NOT NULL is a part of the column's line
            where=f"{_user(owner)} AND r.contype IN ('c', 'f', 'p', 'u', 'x')",
            owner=owner,
            rare=name != "x.name",
            joins=joins,
            kind="""CASE r.contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
                    ELSE 'exclusion' END""",
            called=f"{name} || '.' || quote_ident(r.conname)",
            definition="pg_get_constraintdef(r.oid)",
        )
        for owner, joins, name in (
            ("r.conrelid", _belongs_to("r.conrelid"), "x.name"),
            ("r.contypid", "", "r.contypid::regtype"),
        )
    ),
    SystemCatalog(
        name="pg_index",
        where=_user("r.indrelid"),
        key="r.indexrelid",
        owner="r.indrelid",
        joins=f"{_belongs_to('r.indrelid')} JOIN pg_class c ON c.oid = r.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace",
        kind="'index'",
        called="format('%I.%I', n.nspname, c.relname)",
        definition="""concat_ws(' ', pg_get_indexdef(r.indexrelid), CASE WHEN NOT r.indisvalid THEN 'INVALID' END,
                CASE WHEN r.indisclustered THEN 'clustered' END, CASE WHEN r.indisreplident THEN 'replica identity' END)""",
        versions=("r", "c"),
    ),
    SystemCatalog(
        name="pg_trigger",
        rare=True,
        where=f"{_user('r.oid')} AND NOT r.tgisinternal",
        owner="r.tgrelid",
        joins=_belongs_to("r.tgrelid"),
        kind="'trigger'",
        called="x.name || '.' || quote_ident(r.tgname)",
        definition="pg_get_triggerdef(r.oid) || CASE r.tgenabled WHEN 'O' THEN '' ELSE format(' enabled %s', r.tgenabled) END",
    ),
    SystemCatalog(
        name="pg_rewrite",
        rare=True,
        owner="r.ev_class",
        joins=_belongs_to("r.ev_class"),
        kind="CASE r.rulename WHEN '_RETURN' THEN 'query of' ELSE 'rule' END",
        called="x.name || CASE r.rulename WHEN '_RETURN' THEN '' ELSE '.' || quote_ident(r.rulename) END",
        definition="CASE r.rulename WHEN '_RETURN' THEN pg_get_viewdef(r.ev_class) ELSE pg_get_ruledef(r.oid) END",
    ),
    SystemCatalog(
        name="pg_policy",
        rare=True,
        owner="r.polrelid",
        joins=_belongs_to("r.polrelid"),
        kind="'policy'",
        called="x.name || '.' || quote_ident(r.polname)",
        definition="""concat_ws(' ', r.polcmd::text, CASE WHEN NOT r.polpermissive THEN 'restrictive' END, r.polroles::regrole[]::text,
                pg_get_expr(r.polqual, r.polrelid), 'with check ' || pg_get_expr(r.polwithcheck, r.polrelid))""",
    ),
    SystemCatalog(
        name="pg_sequence",
        where=_user("r.seqrelid"),
        key="r.seqrelid",
        owner="r.seqrelid",
        joins=_belongs_to("r.seqrelid"),
        kind="'sequence values'",
        called="x.name",
        definition="""concat_ws(' ', format_type(r.seqtypid, NULL), r.seqstart, r.seqincrement, r.seqmin, r.seqmax, r.seqcache,
                CASE WHEN r.seqcycle THEN 'cycle' END)""",
    ),
    SystemCatalog(
        name="pg_inherits",
        rare=True,
        where=_user("r.inhrelid"),
        key="r.inhrelid, r.inhparent",
        owner="r.inhrelid",
        joins=_belongs_to("r.inhrelid"),
        kind="'child'",
        called="x.name",
        definition="CASE WHEN x.relkind IN ('r', 'p', 'f') THEN 'of ' || r.inhparent::regclass END",
    ),
    SystemCatalog(
        name="pg_statistic_ext",
        rare=True,
        where=_user("r.stxrelid"),
        owner="r.stxrelid",
        joins=f"{_belongs_to('r.stxrelid')} JOIN pg_namespace n ON n.oid = r.stxnamespace",
        kind="'statistics'",
        called="format('%I.%I', n.nspname, r.stxname)",
        definition="pg_get_statisticsobjdef(r.oid)",
    ),
    SystemCatalog(
        name="pg_type",
        where=f"{_user('r.oid')} AND (r.typtype IN ('e', 'd', 'r') OR (r.typtype = 'b' AND r.typcategory <> 'A'))",
        joins="""JOIN pg_namespace n ON n.oid = r.typnamespace
                LEFT JOIN LATERAL (SELECT l.xmin FROM pg_enum l WHERE l.enumtypid = r.oid ORDER BY age(l.xmin) LIMIT 1) l ON r.typtype = 'e'""",
        kind="CASE r.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'type' END",
        called="format('%I.%I', n.nspname, r.typname)",
        definition=_with_owner(
            """CASE r.typtype WHEN 'd' THEN format_type(r.typbasetype, r.typtypmod) END,
            (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = r.oid),
            CASE WHEN r.typnotnull THEN 'not null' END, 'default ' || r.typdefault""",
            "r.typowner",
            "r.typacl",
            "'T'",
        ),
        versions=("r", "l"),
    ),
    SystemCatalog(
        name="pg_proc",
        rare=True,
        joins="JOIN pg_namespace n ON n.oid = r.pronamespace",
        kind="CASE r.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END",
        called="format('%I.%I(%s)', n.nspname, r.proname, pg_get_function_identity_arguments(r.oid))",
        definition=_with_owner(
            "CASE WHEN r.prokind = 'a' THEN format_type(r.prorettype, NULL) ELSE pg_get_functiondef(r.oid) END",
            "r.proowner",
            "r.proacl",
            "'f'",
        ),
    ),
    SystemCatalog(
        name="pg_description",
        where=f"{_user('r.objoid')} AND r.classoid <> 'pg_extension'::regclass",
        key="r.classoid, r.objoid, r.objsubid",
        owner="r.objoid",
        kind="'comment'",
        called="pg_describe_object(r.classoid, r.objoid, r.objsubid)",
        definition="r.description",
    ),
)
