CREATE TABLE schema_version (version BIGINT NOT NULL);

INSERT INTO schema_version (version) VALUES (0);

CREATE TABLE integration (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    connector TEXT NOT NULL,
    zone TEXT NOT NULL,
    config TEXT,
    policy TEXT NOT NULL,
    -- Active (0), paused (1), deleted (2).
    state BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    added_at BIGINT NOT NULL,
    stopped_at BIGINT
);

CREATE UNIQUE INDEX integration_by_name ON integration (name) WHERE state <> 2;

-- Queues (kind 0), external agents (1) and external statuses (2).
CREATE TABLE subject (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL REFERENCES integration (id),
    kind BIGINT NOT NULL,
    external TEXT COLLATE "C" NOT NULL,
    channel TEXT NOT NULL,
    row_minutes BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    longest BIGINT NOT NULL,
    -- Pairs of an instant and a name, in JSON.
    names TEXT NOT NULL,
    -- What it is called now.
    name TEXT NOT NULL,
    UNIQUE (integration, kind, external, channel)
);

-- The packed facts of one subject that start on one UTC day.
CREATE TABLE chunk (
    subject BIGINT NOT NULL,
    -- Read or delivered (0), said by the live source (1).
    layer BIGINT NOT NULL,
    day BIGINT NOT NULL,
    facts BYTEA NOT NULL,
    PRIMARY KEY (subject, layer, day)
);

-- They are packed already.
ALTER TABLE chunk ALTER COLUMN facts SET STORAGE EXTERNAL;

-- Subject 0 stands for all.
CREATE TABLE coverage (
    integration BIGINT NOT NULL,
    stream BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    from_ BIGINT NOT NULL,
    to_ BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (integration, stream, subject, from_)
);

-- Waived (kind 0), blocked (1) and asked (2).
CREATE TABLE range (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL REFERENCES integration (id),
    stream BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    from_ BIGINT NOT NULL,
    to_ BIGINT NOT NULL,
    at BIGINT NOT NULL,
    note TEXT NOT NULL
);

CREATE INDEX range_by_stream ON range (integration, stream);

CREATE TABLE mark (
    integration BIGINT NOT NULL REFERENCES integration (id),
    stream BIGINT NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (integration, stream)
);

CREATE TABLE import (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL REFERENCES integration (id),
    stream BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    settings TEXT NOT NULL,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    from_ BIGINT,
    to_ BIGINT,
    subjects BYTEA NOT NULL,
    again_ BIGINT NOT NULL,
    imported BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    added BIGINT NOT NULL,
    replaced BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    -- Whether rows of it are in quarantine.
    quarantined BIGINT NOT NULL DEFAULT 0
);

-- A key may be longer than a row of an index may be.
CREATE INDEX import_by_key ON import USING hash (key);

CREATE INDEX import_by_stream ON import (integration, stream, id);

CREATE INDEX import_by_integration ON import (integration, id);

CREATE INDEX import_quarantined ON import (quarantined, integration, stream) WHERE quarantined = 1;

CREATE TABLE quarantine (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    import BIGINT NOT NULL REFERENCES import (id),
    source TEXT NOT NULL,
    line BIGINT NOT NULL,
    column_ TEXT NOT NULL,
    rule TEXT NOT NULL,
    excerpt TEXT NOT NULL
);

CREATE INDEX quarantine_by_import ON quarantine (import);

CREATE TABLE work (
    integration BIGINT NOT NULL,
    lane BIGINT NOT NULL,
    due BIGINT NOT NULL,
    owner TEXT COLLATE "C",
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    from_ BIGINT,
    to_ BIGINT,
    state TEXT NOT NULL,
    -- When it is due and nobody holds it any more.
    claimable BIGINT NOT NULL,
    PRIMARY KEY (integration, lane)
);

CREATE INDEX work_by_claim ON work (lane, claimable);

CREATE INDEX work_by_owner ON work (owner) WHERE owner IS NOT NULL;

CREATE TABLE credential (
    key TEXT COLLATE "C" PRIMARY KEY,
    state TEXT
);

CREATE TABLE mapping (
    integration BIGINT NOT NULL REFERENCES integration (id),
    -- Agents (0) and statuses (1).
    kind BIGINT NOT NULL,
    external TEXT COLLATE "C" NOT NULL,
    target BIGINT NOT NULL,
    PRIMARY KEY (integration, kind, external)
);

CREATE SEQUENCE feed_batch_number;

-- The changes of one transaction have the revisions from `first` to `last`.
CREATE TABLE feed_batch (
    last BIGINT PRIMARY KEY,
    first BIGINT NOT NULL,
    batch BIGINT NOT NULL
);

CREATE TABLE feed_entry (
    batch BIGINT NOT NULL,
    -- How many changes the batch holds up to and with this entry.
    end_ BIGINT NOT NULL,
    count BIGINT NOT NULL,
    at BIGINT NOT NULL,
    integration BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (batch, end_)
);

CREATE TABLE feed_counter (last BIGINT NOT NULL);

INSERT INTO feed_counter (last) VALUES (0);

-- The intervals of queues.
CREATE TABLE bi_interval (
    queue BIGINT NOT NULL,
    start_ TIMESTAMPTZ NOT NULL,
    end_ TIMESTAMPTZ NOT NULL,
    offered NUMERIC(20, 6) NOT NULL,
    handled NUMERIC(20, 6) NOT NULL,
    handle_time_ms BIGINT NOT NULL,
    handle_time_contacts NUMERIC(20, 6) NOT NULL,
    wait_time_ms BIGINT NOT NULL,
    wait_time_contacts NUMERIC(20, 6) NOT NULL,
    abandoned NUMERIC(20, 6),
    within_service_level NUMERIC(20, 6),
    PRIMARY KEY (queue, start_)
);

-- The timelines of agents; the last row of an agent may have no end yet.
CREATE TABLE bi_timeline (
    agent BIGINT NOT NULL,
    start_ TIMESTAMPTZ NOT NULL,
    end_ TIMESTAMPTZ,
    status BIGINT NOT NULL,
    PRIMARY KEY (agent, start_)
);

CREATE VIEW intervals AS
SELECT
    integration.name AS integration,
    subject.external AS queue,
    subject.name AS queue_name,
    subject.channel AS channel,
    start_ AS interval_start,
    end_ AS interval_end,
    offered,
    handled,
    handle_time_ms,
    handle_time_contacts,
    wait_time_ms,
    wait_time_contacts,
    abandoned,
    within_service_level
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
    start_ AS status_start,
    end_ AS status_end
FROM bi_timeline
JOIN subject agent ON agent.id = bi_timeline.agent
JOIN subject status ON status.id = bi_timeline.status
JOIN integration ON integration.id = agent.integration;
