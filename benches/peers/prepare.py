#!/usr/bin/env python3
"""Make what some paths need beyond the files of generate.py, unless it is there.

    python prepare.py DIR

    DIR/shuffled/   the four files again, their rows in random order
    DIR/general/    general.csv, the contacts in a form that needs a general reader,
                    and rejects.csv, the rows of it that no reader may take
    DIR/quarters/   the quarter-hour rows of the contacts, sorted.parquet and random.parquet

A file older than what it is made from is made again. Every file is written under
another name first, so what is there is whole.
"""

import argparse
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

# Queues get names with letters beyond ASCII, separators and quotes, by their topic.
TOPICS = {"Billing": "Gebühren", "Sales": "Sales €", "Claims": "Claims; Damage",
          "Returns": "Retours; à vérifier", "Retention": "Fidélité", "VIP": '"VIP"',
          "Logistics": 'Logistik; "Übersee"'}
AGENTS = [f"{first} {last}"
          for first in ("Jörg", "Zoë", "André", "Marie", "Søren", "Inês", "Tom")
          for last in ("Müller", "Peña", "Strauß", "Lefèvre", "Novak", "Öztürk", "O'Brien")]
NOTES = ["", "ok", "call back tomorrow", "wrong number", "contract renewed – closed",
         "asked for a refund; form sent", 'wants the "premium" plan', "10 € voucher",
         'said "later"; no date']
NOTE_P = [.6, .15, .1, .05, .05, .02, .01, .01, .01]
HEADER = "Customer;Queue;Agent;Day;Clock;Note;Offered;Answered;Seconds;Channel;Score;Reserved"
BAD = [("Day", "31/02/2023"), ("Seconds", "-5"), ("Answered", "?"), ("Queue", '""'),
       ("Day", "2023-02-31"), ("Seconds", "n/a"), ("Answered", "-1")]


@contextmanager
def whole(path):
    """A name to write to; it becomes `path` when the block ends well."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def missing(source, *paths):
    since = source.stat().st_mtime
    return any(not p.exists() or p.stat().st_mtime < since for p in paths)


def shuffle(d, name, stream):
    csv, parquet = (d / "shuffled" / f"{name}.{kind}" for kind in ("csv", "parquet"))
    if missing(d / f"{name}.parquet", csv, parquet):
        text = pl.read_csv(d / f"{name}.csv", separator=";", infer_schema=False)
        order = np.random.default_rng([2, stream]).permutation(text.height)
        with whole(csv) as part:
            text[order].write_csv(part, separator=";", quote_style="never")
        with whole(parquet) as part:
            pl.read_parquet(d / f"{name}.parquet")[order].write_parquet(part)


def quoted(texts):
    return ['"' + t.replace('"', '""') + '"' for t in texts]


def general_queue(name):
    """Brand, topic, language; the topic may be two words."""
    brand, rest = name.split(" ", 1)
    topic, lang = rest.rsplit(" ", 1)
    return f"{brand} {TOPICS.get(topic, topic)} {lang}"


def general(d):
    csv, rejects = d / "general" / "general.csv", d / "general" / "rejects.csv"
    if not missing(d / "contacts.csv", csv, rejects):
        return
    f = pl.read_csv(d / "contacts.csv", separator=";", infer_schema=False)
    rows = f.height
    rng = np.random.default_rng(3)
    pick = lambda table, p=None: pl.Series(table).gather(
        rng.choice(len(table), rows, p=p).astype(np.uint32))
    names = f["Queue"].unique().to_list()
    date = pl.col("Date")
    iso = pl.concat_str(
        date.str.slice(6), date.str.slice(3, 2), date.str.slice(0, 2), separator="-")
    bad = np.sort(rng.choice(rows, rows // 1_000, replace=False))
    kind = [BAD[i] for i in rng.integers(0, len(BAD), len(bad))]
    f = f.select(
        Customer=pl.Series(rng.integers(100_000, 1_000_000, rows)).cast(pl.String),
        Queue=pl.col("Queue").replace_strict(names, quoted(map(general_queue, names))),
        Agent=pick(quoted(AGENTS)),
        Day=pl.when(pl.Series(rng.random(rows) < .5)).then(iso).otherwise(date),
        Clock="Time", Note=pick(quoted(NOTES), NOTE_P), Offered="Offered", Answered="Answered",
        Seconds="Duration", Channel=pl.format('"{}"', "Channel"),
        Score=pick([f"{i // 100},{i % 100:02}" for i in range(501)]), Reserved=pl.lit(""))
    for column in {c for c, _ in kind}:
        at = [(row, value) for row, (c, value) in zip(bad, kind) if c == column]
        f = f.with_columns(f[column].scatter([r for r, _ in at], [v for _, v in at]))
    with whole(rejects) as part:
        lines = [f"{row + 2},{column}\n" for row, (column, _) in zip(bad, kind)]
        part.write_text("line,column\n" + "".join(lines))
    with whole(csv) as part, part.open("wb") as out:
        out.write(HEADER.encode() + b"\n")
        for some in f.iter_slices(100_000):
            lines = some.select(pl.concat_str(HEADER.split(";"), separator=";")).to_series()
            out.write(("\n".join(lines) + "\n").encode("cp1252"))


def quarters(d):
    """The input of the roll-up: what the contacts are per quarter hour."""
    in_order, random = (d / "quarters" / f"{n}.parquet" for n in ("sorted", "random"))
    if missing(d / "contacts.parquet", in_order, random):
        c = pl.col
        f = pl.read_parquet(d / "contacts.parquet").group_by(
            "queue", "channel", t=c.utc // 900 * 900).agg(
            c.offered.sum().cast(pl.Int64), handled=c.answered.sum().cast(pl.Int64),
            handle_time=(c.duration * (c.answered > 0)).sum().cast(pl.Int64),
        ).sort("queue", "channel", "t")
        with whole(in_order) as part:
            f.write_parquet(part)
        with whole(random) as part:
            f[np.random.default_rng(4).permutation(f.height)].write_parquet(part)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("dir", type=Path)
    d = p.parse_args().dir
    shuffle(d, "contacts", 0)
    shuffle(d, "statuses", 1)
    general(d)
    quarters(d)


if __name__ == "__main__":
    main()
