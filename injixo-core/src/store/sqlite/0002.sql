-- Runs with foreign keys switched off: tables that are rebuilt here are referred to by others.

CREATE TABLE integration_2 (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    connector TEXT NOT NULL,
    zone TEXT NOT NULL,
    config TEXT,
    policy TEXT NOT NULL,
    -- Active (0), paused (1), deleted (2).
    state INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    stopped_at INTEGER
) STRICT;

INSERT INTO integration_2 (id, name, connector, zone, policy, state, generation, added_at)
    SELECT id, name, connector, zone, '{}', 0, 1, CAST(strftime('%s', 'now') AS INTEGER) * 1000 FROM integration;

DROP TABLE integration;

ALTER TABLE integration_2 RENAME TO integration;

CREATE UNIQUE INDEX integration_by_name ON integration (name) WHERE state <> 2;

ALTER TABLE subject ADD COLUMN longest INTEGER NOT NULL DEFAULT 0;

-- Pairs of an instant and a name, in JSON.
ALTER TABLE subject ADD COLUMN names TEXT NOT NULL DEFAULT '[]';

-- What it is called now.
ALTER TABLE subject ADD COLUMN name TEXT NOT NULL DEFAULT '';

UPDATE subject SET name = external;

-- How long the spans of an agent are was not kept: none reaches beyond 2100.
UPDATE subject SET longest = 4102444800000 - first WHERE kind = 1;

CREATE TABLE chunk_2 (
    subject INTEGER NOT NULL REFERENCES subject (id),
    -- Read or delivered (0), said by the live source (1).
    layer INTEGER NOT NULL,
    day INTEGER NOT NULL,
    facts BLOB NOT NULL,
    PRIMARY KEY (subject, layer, day)
) STRICT, WITHOUT ROWID;

INSERT INTO chunk_2 (subject, layer, day, facts) SELECT subject, 0, day, facts FROM chunk ORDER BY subject, day;

DROP TABLE chunk;

ALTER TABLE chunk_2 RENAME TO chunk;

-- Waived (kind 0), blocked (1) and asked (2).
CREATE TABLE range (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    integration INTEGER NOT NULL REFERENCES integration (id),
    stream INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    from_ INTEGER NOT NULL,
    to_ INTEGER NOT NULL,
    at INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE INDEX range_by_stream ON range (integration, stream);

CREATE TABLE mark (
    integration INTEGER NOT NULL REFERENCES integration (id),
    stream INTEGER NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (integration, stream)
) STRICT, WITHOUT ROWID;

ALTER TABLE import ADD COLUMN again_ INTEGER NOT NULL DEFAULT 0;

-- Whether rows of it are in quarantine.
ALTER TABLE import ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;

UPDATE import SET quarantined = 1 WHERE id IN (SELECT import FROM quarantine);

CREATE INDEX import_quarantined ON import (quarantined, integration, stream) WHERE quarantined = 1;

CREATE INDEX import_by_stream ON import (integration, stream, id);

CREATE INDEX import_by_integration ON import (integration, id);

CREATE TABLE work (
    integration INTEGER NOT NULL REFERENCES integration (id),
    lane INTEGER NOT NULL,
    due INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    fence INTEGER NOT NULL,
    from_ INTEGER,
    to_ INTEGER,
    state TEXT NOT NULL,
    -- When it is due and nobody holds it any more.
    claimable INTEGER NOT NULL,
    PRIMARY KEY (integration, lane)
) STRICT, WITHOUT ROWID;

CREATE INDEX work_by_claim ON work (lane, claimable);

CREATE INDEX work_by_owner ON work (owner) WHERE owner IS NOT NULL;

CREATE TABLE credential (
    key TEXT PRIMARY KEY,
    state TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE mapping (
    integration INTEGER NOT NULL REFERENCES integration (id),
    -- Agents (0) and statuses (1).
    kind INTEGER NOT NULL,
    external TEXT NOT NULL,
    target INTEGER NOT NULL,
    PRIMARY KEY (integration, kind, external)
) STRICT, WITHOUT ROWID;

-- The changes of one transaction have the revisions from `first` to `last`.
CREATE TABLE feed_batch (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    batch INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE feed_entry (
    batch INTEGER NOT NULL,
    -- How many changes the batch holds up to and with this entry.
    end_ INTEGER NOT NULL,
    count INTEGER NOT NULL,
    at INTEGER NOT NULL,
    integration INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (batch, end_)
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_counter (last INTEGER NOT NULL) STRICT;

INSERT INTO feed_counter (last) VALUES (0);

-- What was chosen for this file.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The intervals of queues; counts in millionths, times in milliseconds.
CREATE TABLE bi_interval (
    queue INTEGER NOT NULL,
    start_ INTEGER NOT NULL,
    end_ INTEGER NOT NULL,
    offered INTEGER NOT NULL,
    handled INTEGER NOT NULL,
    handle_time_ms INTEGER NOT NULL,
    handle_time_contacts INTEGER NOT NULL,
    wait_time_ms INTEGER NOT NULL,
    wait_time_contacts INTEGER NOT NULL,
    abandoned INTEGER,
    within_service_level INTEGER,
    PRIMARY KEY (queue, start_)
) STRICT, WITHOUT ROWID;

-- The timelines of agents; the last row of an agent may have no end yet.
CREATE TABLE bi_timeline (
    agent INTEGER NOT NULL,
    start_ INTEGER NOT NULL,
    end_ INTEGER,
    status INTEGER NOT NULL,
    PRIMARY KEY (agent, start_)
) STRICT, WITHOUT ROWID;

CREATE VIEW intervals AS
SELECT
    integration.name AS integration,
    subject.external AS queue,
    subject.name AS queue_name,
    subject.channel AS channel,
    strftime('%Y-%m-%dT%H:%M:%fZ', start_ / 1000.0, 'unixepoch') AS interval_start,
    strftime('%Y-%m-%dT%H:%M:%fZ', end_ / 1000.0, 'unixepoch') AS interval_end,
    offered / 1000000.0 AS offered,
    handled / 1000000.0 AS handled,
    handle_time_ms,
    handle_time_contacts / 1000000.0 AS handle_time_contacts,
    wait_time_ms,
    wait_time_contacts / 1000000.0 AS wait_time_contacts,
    abandoned / 1000000.0 AS abandoned,
    within_service_level / 1000000.0 AS within_service_level
FROM bi_interval
JOIN subject ON subject.id = bi_interval.queue
JOIN integration ON integration.id = subject.integration;

CREATE VIEW timelines AS
SELECT
    integration.name AS integration,
    agent.external AS agent,
    agent.name AS agent_name,
    status.external AS status,
    status.name AS status_name,
    strftime('%Y-%m-%dT%H:%M:%fZ', start_ / 1000.0, 'unixepoch') AS status_start,
    strftime('%Y-%m-%dT%H:%M:%fZ', end_ / 1000.0, 'unixepoch') AS status_end
FROM bi_timeline
JOIN subject agent ON agent.id = bi_timeline.agent
JOIN subject status ON status.id = bi_timeline.status
JOIN integration ON integration.id = agent.integration;

PRAGMA user_version = 2;
