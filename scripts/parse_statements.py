#!/usr/bin/env python3
"""Parses the SQL statements of the connectors by sqlglot, an implementation that shares nothing with them.

The tests `every_statement` of the crates injixo-connector-sql, -genesys and -sikom write them where INJIXO_STATEMENTS says:

    mkdir -p target/statements
    INJIXO_STATEMENTS=$PWD/target/statements cargo test -p injixo-connector-sql --lib every_statement
    python3 scripts/parse_statements.py target/statements sql genesys-engage sikom

Each line is {"dialect": ..., "sql": ..., "values": ...}. A statement must be one SELECT (or a set operation, VALUES, …: a query),
without anything in it that writes or that sqlglot leaves as an unparsed command, with as many places as values. Ends with 1 when one
is not, or when a file lacks statements for a dialect.
"""

import collections
import json
import logging
import pathlib
import sys

import sqlglot
from sqlglot import errors, exp
from sqlglot.tokens import TokenType

DIALECTS = ("postgres", "mysql", "sqlite", "tsql", "oracle")

WRITES = tuple(
    getattr(exp, name)
    for name in (
        "DML Insert Update Delete Merge Create Drop Alter AlterColumn TruncateTable Copy LoadData Into Lock "
        "Command Use Set Pragma Transaction Commit Rollback Kill Grant Revoke Attach Detach Describe"
    ).split()
    if hasattr(exp, name)
)


def wrong(dialect, sql, values):
    """Why a statement is not as it must be, or None."""
    try:
        parsed = sqlglot.parse(sql, read=dialect, error_level=errors.ErrorLevel.RAISE)
    except errors.SqlglotError as error:
        return str(error)
    if len(parsed) != 1 or parsed[0] is None:
        return f"{len(parsed)} statements"
    statement = parsed[0]
    if not isinstance(statement, exp.Query):
        return f"{type(statement).__name__} is no query"
    found = next(statement.find_all(*WRITES), None)
    # A query is DML to some versions of sqlglot; only what writes is meant.
    if found is not None and not isinstance(found, exp.Query):
        return f"{type(found).__name__} in it: {found.sql(dialect)}"
    kinds = (exp.Parameter, exp.Placeholder) if dialect == "tsql" else (exp.Placeholder,)
    places = len(list(statement.find_all(*kinds)))
    if places != values:
        return f"{places} places for {values} values"
    foreign = [token.text for token in sqlglot.tokenize(sql, read=dialect) if token.token_type in FOREIGN.get(dialect, ())]
    if foreign:
        return f"{foreign[0]} is not of this dialect"
    return RULES.get(dialect, lambda *_: None)(statement, sql)


def of_sql_server(statement, _):
    """What SQL Server refuses and sqlglot takes."""
    for inner in statement.find_all(exp.Query):
        if inner is statement or inner.parent is statement:
            continue
        if inner.args.get("with_") or inner.args.get("with"):
            return "WITH below the outermost SELECT"
        # Msg 1033: in derived tables, subqueries and common table expressions only with TOP, OFFSET or FOR XML.
        if inner.args.get("order") and not inner.args.get("offset") and not inner.args.get("limit"):
            return f"an ORDER BY without OFFSET or TOP below the outermost SELECT: {inner.sql('tsql')}"
    return None


def of_oracle(statement, sql):
    """What Oracle refuses (before 23ai) and sqlglot takes."""
    if next(statement.find_all(exp.Boolean), None) is not None:
        return "a literal of type BOOLEAN"
    for select in statement.find_all(exp.Select):
        if not select.args.get("from_") and not select.args.get("from"):
            return "a SELECT without FROM"
    # ORA-00933: AS stands between a column and its name, never between a table and its name.
    clauses = [None]
    for token in sqlglot.tokenize(sql, read="oracle"):
        kind = token.token_type
        if kind == TokenType.L_PAREN:
            clauses.append(None)
        elif kind == TokenType.R_PAREN:
            clauses.pop()
        elif kind in (TokenType.SELECT, TokenType.FROM, TokenType.JOIN, TokenType.ON, TokenType.WHERE):
            clauses[-1] = kind
        elif kind == TokenType.ALIAS and clauses[-1] in (TokenType.FROM, TokenType.JOIN):
            return "AS before the name of a table"
    return None


# What sqlglot takes in every dialect.
FOREIGN = {
    "tsql": (TokenType.LIMIT,),
    "oracle": (TokenType.LIMIT, TokenType.L_BRACKET),
    "mysql": (TokenType.L_BRACKET,),
}

RULES = {"tsql": of_sql_server, "oracle": of_oracle}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    # sqlglot warns where it gives up and keeps a command; that is found in the tree.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    failures = 0
    for name in sys.argv[2:]:
        counts = collections.Counter()
        path = pathlib.Path(sys.argv[1]) / f"{name}.jsonl"
        # Only line feeds end a line.
        lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
        for line in filter(None, lines):
            statement = json.loads(line)
            dialect = statement["dialect"]
            counts[dialect] += 1
            why = wrong(dialect, statement["sql"], statement["values"])
            if why is not None:
                failures += 1
                print(f"{name}, {dialect}: {why}\n    {statement['sql']}", file=sys.stderr)
        print(f"{name}: " + ", ".join(f"{counts[dialect]} {dialect}" for dialect in DIALECTS))
        for dialect in DIALECTS:
            if counts[dialect] == 0:
                failures += 1
                print(f"{name}: no statements for {dialect}", file=sys.stderr)
    print(f"{failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
