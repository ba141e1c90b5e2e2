-- What the engine remembers under names: how far was sent, and what is held back.
CREATE TABLE memo (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 3;
