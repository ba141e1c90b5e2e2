"""Reads all rows by the usual driver of Python and prints seconds, processor time and peak memory (KiB)."""
import resource
import sys
import time

who, kind, host, port, user, password, database, file, rows = sys.argv[1:]
port, rows = int(port), int(rows)
quote = {"mysql": "`timestamp`", "odbc-mysql": "`timestamp`", "mssql": "[timestamp]"}.get(kind, '"timestamp"')
query = f"SELECT queue AS queueidentifier, name AS queuename, at AS {quote}, answered, secs AS duration FROM calls"


def count(cursor):
    cursor.execute(query)
    found = 0
    while block := cursor.fetchmany(10_000):
        found += len(block)
    return found


def connectorx():
    import connectorx

    return connectorx.read_sql(f"postgresql://{user}@{host}:{port}/{database}", query, return_type="arrow").num_rows


def psycopg():
    import psycopg

    with psycopg.connect(host=host, port=port, user=user, dbname=database) as connection:
        return count(connection.cursor())


def pymysql():
    import pymysql
    from pymysql.cursors import SSCursor

    with pymysql.connect(host=host, port=port, user=user, password=password, database=database) as connection:
        return count(connection.cursor(SSCursor))


def sqlite3():
    import sqlite3

    return count(sqlite3.connect(file).cursor())


def pytds():
    import pytds

    with pytds.connect(dsn=host, port=port, user=user, password=password, database=database) as connection:
        return count(connection.cursor())


def pyodbc():
    import pyodbc

    driver = "MariaDB Unicode" if kind == "odbc-mysql" else "PostgreSQL Unicode"
    secret = f"PWD={password};" if password else ""
    text = f"Driver={driver};Server={host};Port={port};Database={database};UID={user};{secret}"
    return count(pyodbc.connect(text).cursor())


read = {"connectorx": connectorx, "psycopg": psycopg, "pymysql": pymysql, "sqlite3": sqlite3, "python-tds": pytds, "pyodbc": pyodbc}
for module in {"python-tds": ["pytds"], "sqlite3": ["sqlite3"]}.get(who, [who]):
    __import__(module)
wall, cpu = time.perf_counter(), time.process_time()
found = read[who]()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
assert found == rows, f"{who}: {found} rows"
print(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
