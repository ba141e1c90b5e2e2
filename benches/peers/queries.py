"""What the programs here share: SQL, and how each engine turns contacts.csv into quarter hours.

Nothing is imported before it is needed: script.py and load.py are timed from their start.
"""

from zones import offsets

ZONE = "Europe/Berlin"
SINCE, OFFSET = offsets(ZONE, 2022, 2025)


def offset_case(local):
    """SQL: the UTC offset for a wall-clock second, by the gap and fold rule."""
    arms = " ".join(f"WHEN {local} < {s} THEN {o}" for s, o in zip(SINCE[1:], OFFSET))
    return f"CASE {arms} ELSE {OFFSET[-1]} END"


def sums(span, source):
    """SQL: contact records to intervals of `span` seconds."""
    return f"""SELECT queue, channel, utc // {span} * {span} AS t, sum(offered) AS offered,
        sum(answered) AS handled,
        sum(CASE WHEN answered > 0 THEN duration ELSE 0 END) AS handle_time
        FROM {source} GROUP BY 1, 2, 3"""


def quarters(local_rows):
    """SQL: rows with a wall-clock second `local` to quarter hours."""
    return f"""WITH local_rows AS ({local_rows}),
        utc AS (SELECT *, local - {offset_case('local')} AS utc FROM local_rows)
        {sums(900, 'utc')}"""


def truncating(sql):
    """The same SQL where / of integers truncates and // is unknown."""
    return sql.replace("//", "/")


# DuckDB

def duckdb_csv(d):
    return f"""read_csv('{d}/contacts.csv', delim=';', header=true, auto_detect=false,
        quote='"', dateformat='%d/%m/%Y', columns={{'Queue': 'VARCHAR', 'Date': 'DATE',
        'Time': 'TIME', 'Offered': 'INTEGER', 'Answered': 'INTEGER',
        'Duration': 'INTEGER', 'Channel': 'VARCHAR'}})"""


def duckdb_quarters(source):
    return quarters(f"""SELECT Queue AS queue, Channel AS channel, Offered AS offered,
        Answered AS answered, Duration AS duration,
        (Date - DATE '1970-01-01') * 86400 + epoch_ms(Time) // 1000 AS local FROM {source}""")


# Polars

def polars_utc(local):
    import polars as pl

    case = pl.when(local < SINCE[1]).then(pl.lit(OFFSET[0], pl.Int64))
    for s, o in zip(SINCE[2:], OFFSET[1:]):
        case = case.when(local < s).then(pl.lit(o, pl.Int64))
    return local - case.otherwise(pl.lit(OFFSET[-1], pl.Int64))


def polars_sums(frame, span):
    from polars import col as c

    return frame.group_by("queue", "channel", t=c.utc // span * span).agg(
        c.offered.sum(), handled=c.answered.sum(),
        handle_time=(c.duration * (c.answered > 0)).sum())


def polars_clock(column):
    """The second of the day that `HH:MM:SS` says."""
    import polars as pl

    part = lambda at: column.str.slice(at, 2).cast(pl.Int64)
    return part(0) * 3_600 + part(3) * 60 + part(6)


def polars_quarters(d):
    import polars as pl

    c = pl.col
    schema = {"Queue": pl.Categorical, "Date": pl.String, "Time": pl.String,
              "Offered": pl.Int64, "Answered": pl.Int64, "Duration": pl.Int64,
              "Channel": pl.Categorical}
    local = c.date.str.to_date("%d/%m/%Y").cast(pl.Int64) * 86_400 + polars_clock(c.time)
    return polars_sums(
        pl.scan_csv(d / "contacts.csv", separator=";", schema=schema).rename(str.lower)
        .with_columns(local=local).with_columns(utc=polars_utc(c.local)), 900)


# DataFusion

def datafusion_seconds(text):
    return f"CAST(to_timestamp_seconds({text}) AS BIGINT)"


def datafusion_quarters(ctx, d):
    import pyarrow as pa

    types = [("Queue", pa.string()), ("Date", pa.string()), ("Time", pa.string()),
             ("Offered", pa.int64()), ("Answered", pa.int64()), ("Duration", pa.int64()),
             ("Channel", pa.string())]
    ctx.register_csv("raw", f"{d}/contacts.csv", delimiter=";", schema=pa.schema(types))
    iso = """substr("Date", 7, 4) || '-' || substr("Date", 4, 2) || '-'
        || substr("Date", 1, 2) || 'T' || "Time\""""
    return truncating(quarters(f"""SELECT "Queue" AS queue, "Channel" AS channel,
        "Offered" AS offered, "Answered" AS answered, "Duration" AS duration,
        {datafusion_seconds(iso)} AS local FROM raw"""))


# pandas

def pandas_utc(local):
    import numpy as np
    import pandas as pd

    return local.dt.tz_localize(
        ZONE, ambiguous=np.ones(len(local), bool), nonexistent=pd.Timedelta("1h")
    ).dt.tz_convert("UTC")


def pandas_sums(f, t):
    f = f.assign(t=t, handle_time=f["duration"].where(f["answered"] > 0, 0))
    return f.groupby(["queue", "channel", "t"], observed=True, sort=False).agg(
        offered=("offered", "sum"), handled=("answered", "sum"),
        handle_time=("handle_time", "sum")).reset_index()


def pandas_quarters(d):
    import pandas as pd

    f = pd.read_csv(d / "contacts.csv", sep=";",
                    dtype={"Queue": "category", "Channel": "category"})
    local = pd.to_datetime(f["Date"] + " " + f["Time"], format="%d/%m/%Y %H:%M:%S")
    return pandas_sums(f.rename(columns=str.lower), pandas_utc(local).dt.floor("15min"))


# SQLite

def sqlite_seconds(text):
    return f"CAST(strftime('%s', {text}) AS INTEGER)"


def sqlite_load(db, file, columns, encoding="utf-8"):
    """The rows of a CSV file to the table uploaded_file; `columns` is its SQL."""
    import csv

    with open(file, newline="", encoding=encoding) as f:
        rows = csv.reader(f, delimiter=";")
        next(rows)
        db.execute(f"CREATE TABLE uploaded_file ({columns})")
        marks = ",".join("?" * (columns.count(",") + 1))
        db.executemany(f"INSERT INTO uploaded_file VALUES ({marks})", rows)


SQLITE_COLUMNS = """queue, date, time, offered INTEGER, answered INTEGER,
    duration INTEGER, channel"""
SQLITE_ISO = "substr(date,7,4)||'-'||substr(date,4,2)||'-'||substr(date,1,2)"
SQLITE_QUARTERS = truncating(quarters(f"""SELECT *,
    {sqlite_seconds(SQLITE_ISO + "||' '||time")} AS local FROM uploaded_file"""))
