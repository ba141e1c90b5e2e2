CREATE TABLE integration (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    connector TEXT NOT NULL,
    zone TEXT NOT NULL
) STRICT;

-- Queues (kind 0), external agents (1) and external statuses (2).
CREATE TABLE subject (
    id INTEGER PRIMARY KEY,
    integration INTEGER NOT NULL REFERENCES integration (id),
    kind INTEGER NOT NULL,
    external TEXT NOT NULL,
    channel TEXT NOT NULL,
    row_minutes INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    UNIQUE (integration, kind, external, channel)
) STRICT;

-- The packed facts of one subject that start on one UTC day.
CREATE TABLE chunk (
    subject INTEGER NOT NULL REFERENCES subject (id),
    day INTEGER NOT NULL,
    facts BLOB NOT NULL,
    PRIMARY KEY (subject, day)
) STRICT, WITHOUT ROWID;

-- Subject 0 stands for all.
CREATE TABLE coverage (
    integration INTEGER NOT NULL REFERENCES integration (id),
    stream INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    from_ INTEGER NOT NULL,
    to_ INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    PRIMARY KEY (integration, stream, subject, from_)
) STRICT, WITHOUT ROWID;

CREATE TABLE import (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    integration INTEGER NOT NULL REFERENCES integration (id),
    stream INTEGER NOT NULL,
    key TEXT NOT NULL,
    settings TEXT NOT NULL,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    from_ INTEGER,
    to_ INTEGER,
    subjects BLOB NOT NULL,
    imported INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    added INTEGER NOT NULL,
    replaced INTEGER NOT NULL,
    gone INTEGER NOT NULL
) STRICT;

CREATE INDEX import_by_key ON import (integration, stream, key);

CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    import INTEGER NOT NULL REFERENCES import (id),
    source TEXT NOT NULL,
    line INTEGER NOT NULL,
    column_ TEXT NOT NULL,
    rule TEXT NOT NULL,
    excerpt TEXT NOT NULL
) STRICT;

CREATE INDEX quarantine_by_import ON quarantine (import);

PRAGMA user_version = 1;
