-- Runs with foreign keys switched off. Shifts bind no tighter than `|` in SQLite.

-- Chunks lie by day: what is imported now touches as few pages as if the store held nothing else. Rows of this form hold up to a page,
-- where without a number they keep a quarter of one and take another one for the rest.
CREATE TABLE chunk_4 (
    -- The day, the subject (32 bits) and the layer (4 bits), in this order.
    place INTEGER PRIMARY KEY,
    subject INTEGER NOT NULL REFERENCES subject (id),
    -- Read or delivered (0), said by the live source (1), and others.
    layer INTEGER NOT NULL,
    day INTEGER NOT NULL,
    facts BLOB NOT NULL
) STRICT;

INSERT INTO chunk_4 (place, subject, layer, day, facts)
    SELECT (day << 36) | (subject << 4) | layer, subject, layer, day, facts FROM chunk ORDER BY 1;

DROP TABLE chunk;

ALTER TABLE chunk_4 RENAME TO chunk;

CREATE UNIQUE INDEX chunk_by_subject ON chunk (subject, layer, day);

PRAGMA user_version = 4;
