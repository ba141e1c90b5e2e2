#!/usr/bin/env python3
"""A whole script as an analyst writes it: an export in, a table of quarter hours out.

    python script.py DIR OUT PEER

Reads DIR/contacts.csv and writes OUT, a CSV file sorted by queue, channel and start.
Time the process: its start, its imports and its end are part of the work.
"""

import os
import sys
from pathlib import Path

import queries as q

PEERS = ["duckdb", "polars", "polars-streaming", "datafusion", "pandas"]
START = "%Y-%m-%dT%H:%M:%SZ"
COLUMNS = ["queue", "channel", "start", "offered", "handled", "handle_time"]


def threads():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def duckdb_script(d, out):
    import duckdb

    db = duckdb.connect()
    db.execute(f"SET threads = {threads()}")
    db.execute(f"""COPY (SELECT queue, channel, make_timestamp(t * 1000000) AS start, offered,
          handled, handle_time FROM ({q.duckdb_quarters(q.duckdb_csv(d))}) ORDER BY 1, 2, 3)
        TO '{out}' (FORMAT csv, HEADER, TIMESTAMPFORMAT '{START}')""")


def polars_script(d, out, streaming=False):
    import polars as pl

    rows = q.polars_quarters(d).sort("queue", "channel", "t").select(
        "queue", "channel", pl.from_epoch("t", time_unit="s").alias("start"), *COLUMNS[3:])
    if streaming:
        rows.sink_csv(out, datetime_format=START)
    else:
        rows.collect(engine="in-memory").write_csv(out, datetime_format=START)


def datafusion_script(d, out):
    import datafusion as df

    ctx = df.SessionContext(df.SessionConfig().with_target_partitions(threads()))
    query = q.datafusion_quarters(ctx, d)
    part = f"{out}.part.csv"  # by another ending it would make a folder
    ctx.sql(f"""COPY (SELECT queue, channel, to_timestamp_seconds(t) AS start, offered, handled,
          handle_time FROM ({query}) ORDER BY 1, 2, 3)
        TO '{part}' STORED AS CSV OPTIONS ('format.has_header' 'true',
          'format.timestamp_format' '{START}')""").collect()
    os.replace(part, out)


def pandas_script(d, out):
    f = q.pandas_quarters(d).rename(columns={"t": "start"})
    f.sort_values(COLUMNS[:3])[COLUMNS].to_csv(out, index=False, date_format=START)


def main():
    d, out, peer = sys.argv[1:]
    if peer not in PEERS:
        sys.exit(f"unknown peer {peer}; there are: {', '.join(PEERS)}")
    name, _, engine = peer.partition("-")
    globals()[f"{name}_script"](Path(d), out, *([True] if engine else []))


if __name__ == "__main__":
    main()
