#!/usr/bin/env python3
"""Load an export into a database file: the rows, and the quarter hours made of them.

    python load.py DIR DB PEER            time the process; an old DB is replaced
    python load.py DIR DB PEER --check    the checksum of what DB holds

DIR/contacts.csv goes to the table uploaded_file, its quarter hours to intervals (dlt, which
only loads: no intervals). When the process ends all is committed, by the engine's defaults.
"""

import os
import shutil
import sys
from pathlib import Path

import queries as q

PEERS = ["duckdb", "sqlite", "dlt"]


def duckdb_load(d, file):
    import duckdb

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with duckdb.connect(file) as db:
        db.execute(f"SET threads = {threads}")
        db.execute("BEGIN")
        db.execute(f"CREATE TABLE uploaded_file AS SELECT * FROM {q.duckdb_csv(d)}")
        db.execute(f"CREATE TABLE intervals AS {q.duckdb_quarters('uploaded_file')}")
        db.execute("COMMIT")
        db.execute("CHECKPOINT")


def sqlite_load(d, file):
    import sqlite3

    db = sqlite3.connect(file)
    db.execute("BEGIN")
    q.sqlite_load(db, d / "contacts.csv", q.SQLITE_COLUMNS)
    db.execute(f"CREATE TABLE intervals AS {q.SQLITE_QUARTERS}")
    db.commit()
    db.close()


def dlt_load(d, file):
    work = f"{file}.dlt"  # its pipeline and working folder: nothing is kept from run to run
    shutil.rmtree(work, ignore_errors=True)
    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", DLT_DATA_DIR=work)
    import dlt
    import pyarrow as pa
    from pyarrow import csv

    @dlt.resource(name="uploaded_file", write_disposition="replace")
    def rows():  # tables of Arrow go through faster than rows, and have types
        batches = csv.open_csv(
            d / "contacts.csv", parse_options=csv.ParseOptions(delimiter=";"),
            read_options=csv.ReadOptions(block_size=4 << 20),
            convert_options=csv.ConvertOptions(column_types={"Time": pa.string()}))
        for batch in batches:
            yield pa.Table.from_batches([batch])

    pipeline = dlt.pipeline("contacts", dataset_name="main", pipelines_dir=work,
                            destination=dlt.destinations.sqlalchemy(f"sqlite:///{file}"))
    pipeline.run(rows()).raise_on_failed_jobs()
    shutil.rmtree(work)


def check(file, peer):
    import json
    import sqlite3

    import polars as pl

    from peers import checksum

    if peer == "duckdb":
        import duckdb

        frame = duckdb.connect(file, read_only=True).table("intervals").pl()
    else:
        db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        if peer == "dlt":
            (rows,) = db.execute("SELECT count(*) FROM uploaded_file").fetchone()
            return print(json.dumps({"rows": rows}))
        at = db.execute("SELECT * FROM intervals")
        frame = pl.DataFrame(at.fetchall(), orient="row", schema=[x[0] for x in at.description])
    print(json.dumps(checksum(frame, "A")))


def main():
    d, file, peer, *options = sys.argv[1:]
    if peer not in PEERS or options not in ([], ["--check"]):
        sys.exit(__doc__)
    if options:
        return check(file, peer)
    for ending in ("", ".wal", "-journal", "-wal", "-shm"):
        Path(file + ending).unlink(missing_ok=True)
    globals()[f"{peer}_load"](Path(d), os.path.abspath(file))


if __name__ == "__main__":
    main()
