-- What the engine remembers under names: how far was sent, and what is held back.
CREATE TABLE memo (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);
