-- A file of schema 1 with rows in every table, as SQLite dumps it.
PRAGMA foreign_keys = OFF;
CREATE TABLE chunk (
    subject INTEGER NOT NULL REFERENCES subject (id),
    day INTEGER NOT NULL,
    facts BLOB NOT NULL,
    PRIMARY KEY (subject, day)
) STRICT, WITHOUT ROWID;
INSERT INTO "chunk" VALUES(1,-3,X'61');
INSERT INTO "chunk" VALUES(1,19675,X'00FF10');
INSERT INTO "chunk" VALUES(2,19675,X'626364');
CREATE TABLE coverage (
    integration INTEGER NOT NULL REFERENCES integration (id),
    stream INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    from_ INTEGER NOT NULL,
    to_ INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    PRIMARY KEY (integration, stream, subject, from_)
) STRICT, WITHOUT ROWID;
INSERT INTO "coverage" VALUES(1,0,0,100,200,5000);
INSERT INTO "coverage" VALUES(1,0,1,150,180,6000);
INSERT INTO "coverage" VALUES(3,1,0,0,9,7);
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
INSERT INTO "import" VALUES(1,1,0,'key a','settings','a.csv',1700000001000,100,200,X'0100000002000000',10,2,3,4,5,6);
INSERT INTO "import" VALUES(4,1,1,'','','window',1700000002000,NULL,NULL,X'',1,0,0,1,0,0);
CREATE TABLE integration (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    connector TEXT NOT NULL,
    zone TEXT NOT NULL
) STRICT;
INSERT INTO "integration" VALUES(1,'Sales','csv','Europe/Berlin');
INSERT INTO "integration" VALUES(3,'Service ''24/7''','other','UTC');
CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    import INTEGER NOT NULL REFERENCES import (id),
    source TEXT NOT NULL,
    line INTEGER NOT NULL,
    column_ TEXT NOT NULL,
    rule TEXT NOT NULL,
    excerpt TEXT NOT NULL
) STRICT;
INSERT INTO "quarantine" VALUES(1,1,'a.csv',7,'start','date','31.02.2024');
INSERT INTO "quarantine" VALUES(2,1,'a.csv',9,'','quantity','-1…');
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
INSERT INTO "subject" VALUES(1,1,0,'queue ü','chats',15,1700000000000,1700000900000);
INSERT INTO "subject" VALUES(2,1,1,'agent','calls',0,1700000000001,1700000900001);
INSERT INTO "subject" VALUES(5,3,2,'status','calls',0,1600000000000,1600000000000);
CREATE INDEX import_by_key ON import (integration, stream, key);
CREATE INDEX quarantine_by_import ON quarantine (import);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('import',4);
PRAGMA user_version = 1;
