//! The invented tables. Rows are lists of values in the order of the columns.

use crate::sql::{Column, Kind, Table, column};

const INT: Kind = Kind::Integer;
const TEXT: Kind = Kind::Text(80);
const TIME: Kind = Kind::Timestamp;

macro_rules! table {
    ($static:ident, $name:literal, [$($key:literal),*], [$($index:literal),*], $columns:expr) => {
        pub(crate) static $static: Table = Table {
            part: None,
            name: $name,
            columns: &{
                const COLUMNS: &[Column] = &$columns;
                COLUMNS
            },
            key: &[$($key),*],
            indexes: &[$($index),*],
        };
    };
}

table!(
    QUEUE,
    "acd_queue",
    ["queue_id"],
    [],
    [column("queue_id", INT), column("queue_name", TEXT), column("media", TEXT)]
);

table!(
    USER,
    "acd_user",
    ["user_id"],
    [],
    [
        column("user_id", INT),
        column("user_name", TEXT),
        column("first_name", TEXT),
        column("last_name", TEXT),
        column("active", INT),
    ]
);

table!(
    STATUS,
    "acd_status",
    ["status_id"],
    [],
    [column("status_id", INT), column("status_name", TEXT), column("is_logout", INT)]
);

table!(
    CALL,
    "acd_call",
    ["call_id", "leg_no"],
    ["t_queue"],
    [
        column("call_id", Kind::Big),
        column("leg_no", INT),
        column("queue_id", INT),
        column("direction", TEXT),
        column("t_arrive", TIME),
        column("t_queue", TIME),
        column("t_answer", TIME),
        column("t_end", TIME),
        column("t_wrap_end", TIME),
        column("user_id", INT),
        column("result", TEXT),
    ]
);

// A row with a group is the status for that queue only; one without, of the agent as a whole.
table!(
    AGENT_STATUS,
    "acd_agent_status",
    ["rec_id"],
    ["t_start", "user_id"],
    [
        column("rec_id", Kind::Big),
        column("user_id", INT),
        column("status_id", INT),
        column("t_start", TIME),
        column("t_end", TIME),
        column("group_id", INT),
    ]
);

/// All tables.
pub(crate) static TABLES: [&Table; 5] = [&QUEUE, &USER, &STATUS, &CALL, &AGENT_STATUS];
