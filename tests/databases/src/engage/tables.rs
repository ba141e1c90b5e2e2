//! The tables of Genesys Engage: the columns that readers use, with the types of the PostgreSQL model.
//!
//! Rows are lists of values in this order. Wherever nothing public says how a column is, the choice is noted.

use crate::engage::Part;
use crate::sql::{Column, Kind, Table, column, later};

const INT: Kind = Kind::Integer;
const KEY: Kind = Kind::Numeric(19);
const FLAG: Kind = Kind::Numeric(1);
/// The configuration database often has numeric identifiers.
const DBID: Kind = Kind::Numeric(10);

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text(255))
}

const fn code(name: &'static str) -> Column {
    column(name, Kind::Text(32))
}

macro_rules! table {
    ($name:ident, $part:ident, [$($key:literal),*], [$($index:literal),*], $columns:expr) => {
        pub(crate) static $name: Table = Table {
            part: Some(Part::$part),
            name: stringify!($name),
            columns: &$columns,
            key: &[$($key),*],
            indexes: &[$($index),*],
        };
    };
}

table!(
    MEDIATION_SEGMENT_FACT,
    InfoMart,
    ["MEDIATION_SEGMENT_ID"],
    ["START_DATE_TIME_KEY", "TARGET_IXN_RESOURCE_ID"],
    [
        column("MEDIATION_SEGMENT_ID", KEY),
        column("TENANT_KEY", INT),
        column("START_DATE_TIME_KEY", INT),
        column("END_DATE_TIME_KEY", INT),
        column("INTERACTION_TYPE_KEY", INT),
        column("MEDIA_TYPE_KEY", INT),
        column("TECHNICAL_DESCRIPTOR_KEY", INT),
        column("RESOURCE_KEY", INT),
        column("INTERACTION_ID", KEY),
        column("TARGET_IXN_RESOURCE_ID", KEY),
        column("MEDIATION_DURATION", INT),
        column("SHORT_ABANDONED_FLAG", FLAG),
        column("ACTIVE_FLAG", FLAG),
        column("START_TS", INT),
        column("END_TS", INT),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
        later("TARGET_IXN_RESOURCE_SDT_KEY", INT),
        later("USERDATA_FLAG", FLAG),
    ]
);

table!(
    INTERACTION_RESOURCE_FACT,
    InfoMart,
    ["INTERACTION_RESOURCE_ID"],
    ["START_DATE_TIME_KEY"],
    [
        column("INTERACTION_RESOURCE_ID", KEY),
        column("TENANT_KEY", INT),
        column("INTERACTION_TYPE_KEY", INT),
        column("MEDIA_TYPE_KEY", INT),
        column("TECHNICAL_DESCRIPTOR_KEY", INT),
        column("INTERACTION_ID", KEY),
        column("RESOURCE_KEY", INT),
        column("LAST_VQUEUE_RESOURCE_KEY", INT),
        column("MEDIATION_SEGMENT_ID", KEY),
        column("MEDIATION_RESOURCE_KEY", INT),
        column("HANDLE_COUNT", INT),
        column("CUSTOMER_HANDLE_COUNT", INT),
        column("CUSTOMER_RING_DURATION", INT),
        column("CUSTOMER_TALK_DURATION", INT),
        column("CUSTOMER_HOLD_DURATION", INT),
        column("CUSTOMER_ACW_DURATION", INT),
        column("TALK_DURATION", INT),
        column("HOLD_DURATION", INT),
        column("AFTER_CALL_WORK_DURATION", INT),
        column("CONS_RCV_TALK_DURATION", INT),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
        column("START_DATE_TIME_KEY", INT),
        column("END_DATE_TIME_KEY", INT),
        column("START_TS", INT),
        column("END_TS", INT),
        column("ACTIVE_FLAG", FLAG),
        column("PURGE_FLAG", FLAG),
    ]
);

table!(
    SM_RES_SESSION_FACT,
    InfoMart,
    ["SM_RES_SESSION_FACT_KEY"],
    ["START_DATE_TIME_KEY"],
    [
        column("SM_RES_SESSION_FACT_KEY", KEY),
        column("START_DATE_TIME_KEY", INT),
        column("END_DATE_TIME_KEY", INT),
        column("TENANT_KEY", INT),
        column("MEDIA_TYPE_KEY", INT),
        column("RESOURCE_KEY", INT),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
        column("START_TS", INT),
        column("END_TS", INT),
        column("TOTAL_DURATION", INT),
        column("ACTIVE_FLAG", FLAG),
        column("PURGE_FLAG", FLAG),
    ]
);

table!(
    SM_RES_STATE_FACT,
    InfoMart,
    ["SM_RES_STATE_FACT_KEY"],
    ["START_DATE_TIME_KEY"],
    [
        column("SM_RES_STATE_FACT_KEY", KEY),
        column("START_DATE_TIME_KEY", INT),
        column("END_DATE_TIME_KEY", INT),
        column("TENANT_KEY", INT),
        column("MEDIA_TYPE_KEY", INT),
        column("RESOURCE_KEY", INT),
        column("RESOURCE_STATE_KEY", INT),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
        column("SM_RES_SESSION_FACT_KEY", KEY),
        column("START_TS", INT),
        column("END_TS", INT),
        column("TOTAL_DURATION", INT),
        column("ACTIVE_FLAG", FLAG),
        column("PURGE_FLAG", FLAG),
    ]
);

table!(
    SM_RES_STATE_REASON_FACT,
    InfoMart,
    ["SM_RES_STATE_REASON_FACT_KEY"],
    ["START_DATE_TIME_KEY"],
    [
        column("SM_RES_STATE_REASON_FACT_KEY", KEY),
        column("TENANT_KEY", INT),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
        column("START_DATE_TIME_KEY", INT),
        column("END_DATE_TIME_KEY", INT),
        column("RESOURCE_STATE_KEY", INT),
        column("RESOURCE_STATE_REASON_KEY", INT),
        column("MEDIA_TYPE_KEY", INT),
        column("RESOURCE_KEY", INT),
        column("SM_RES_STATE_FACT_KEY", KEY),
        column("START_TS", INT),
        column("END_TS", INT),
        column("TOTAL_DURATION", INT),
        column("ACTIVE_FLAG", FLAG),
        column("PURGE_FLAG", FLAG),
    ]
);

// The types of GMT_START_TIME and GMT_END_TIME are not public: epoch seconds here, no end for what holds.
table!(
    RESOURCE_,
    InfoMart,
    ["RESOURCE_KEY"],
    [],
    [
        column("RESOURCE_KEY", INT),
        column("TENANT_KEY", INT),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
        text("SWITCH_NAME"),
        text("RESOURCE_TYPE"),
        code("RESOURCE_TYPE_CODE"),
        text("RESOURCE_SUBTYPE"),
        text("RESOURCE_NAME"),
        text("AGENT_FIRST_NAME"),
        text("AGENT_LAST_NAME"),
        text("EMPLOYEE_ID"),
        column("RESOURCE_CFG_DBID", INT),
        column("RESOURCE_CFG_TYPE_ID", INT),
        text("RESOURCE_ALIAS"),
        column("GMT_START_TIME", INT),
        column("GMT_END_TIME", INT),
        column("PURGE_FLAG", FLAG),
    ]
);

table!(
    RESOURCE_STATE,
    InfoMart,
    ["RESOURCE_STATE_KEY"],
    [],
    [
        column("RESOURCE_STATE_KEY", INT),
        text("STATE_TYPE"),
        code("STATE_TYPE_CODE"),
        text("STATE_NAME"),
        code("STATE_NAME_CODE"),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
    ]
);

table!(
    RESOURCE_STATE_REASON,
    InfoMart,
    ["RESOURCE_STATE_REASON_KEY"],
    [],
    [
        column("RESOURCE_STATE_REASON_KEY", INT),
        column("TENANT_KEY", INT),
        text("REASON_TYPE"),
        code("REASON_TYPE_CODE"),
        text("HARDWARE_REASON"),
        text("SOFTWARE_REASON_KEY"),
        text("SOFTWARE_REASON_VALUE"),
        text("WORKMODE"),
        code("WORKMODE_CODE"),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
        column("PURGE_FLAG", FLAG),
    ]
);

table!(
    MEDIA_TYPE,
    InfoMart,
    ["MEDIA_TYPE_KEY"],
    [],
    [
        column("MEDIA_TYPE_KEY", INT),
        text("MEDIA_NAME"),
        code("MEDIA_NAME_CODE"),
        column("IS_ONLINE", FLAG),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
    ]
);

table!(
    INTERACTION_TYPE,
    InfoMart,
    ["INTERACTION_TYPE_KEY"],
    [],
    [
        column("INTERACTION_TYPE_KEY", INT),
        text("INTERACTION_TYPE"),
        code("INTERACTION_TYPE_CODE"),
        text("INTERACTION_SUBTYPE"),
        code("INTERACTION_SUBTYPE_CODE"),
    ]
);

table!(
    TECHNICAL_DESCRIPTOR,
    InfoMart,
    ["TECHNICAL_DESCRIPTOR_KEY"],
    [],
    [
        column("TECHNICAL_DESCRIPTOR_KEY", INT),
        text("TECHNICAL_RESULT"),
        code("TECHNICAL_RESULT_CODE"),
        text("RESULT_REASON"),
        code("RESULT_REASON_CODE"),
        text("RESOURCE_ROLE"),
        code("RESOURCE_ROLE_CODE"),
        text("ROLE_REASON"),
        code("ROLE_REASON_CODE"),
        column("CREATE_AUDIT_KEY", KEY),
        column("UPDATE_AUDIT_KEY", KEY),
    ]
);

table!(
    CTL_AUDIT_LOG,
    InfoMart,
    ["AUDIT_KEY"],
    [],
    [
        column("AUDIT_KEY", KEY),
        column("JOB_ID", Kind::Text(64)),
        column("CREATED", Kind::Timestamp),
        column("INSERTED", Kind::Timestamp),
        column("PROCESSING_STATUS_KEY", INT),
        column("MIN_START_DATE_TIME_KEY", INT),
        column("MAX_START_DATE_TIME_KEY", INT),
        column("MAX_CHUNK_TS", INT),
        column("DATA_SOURCE_KEY", INT),
        column("ROW_COUNT", INT),
        later("CREATED_TS", INT),
    ]
);

table!(
    CFG_PERSON,
    Configuration,
    ["DBID"],
    [],
    [
        column("DBID", DBID),
        text("USER_NAME"),
        text("EMPLOYEE_ID"),
        text("FIRST_NAME"),
        text("LAST_NAME"),
        column("IS_AGENT", DBID),
        column("STATE", DBID),
    ]
);

table!(
    LOGIN,
    StatServer,
    [],
    ["TIME"],
    [
        column("SWITCHDBID", INT),
        column("DNDBID", INT),
        column("QUEUEDBID", INT),
        column("AGENTDBID", INT),
        column("PLACEDBID", INT),
        column("STATUS", INT),
        column("TIME", INT),
        text("LOGINID"),
    ]
);

table!(
    STATUS,
    StatServer,
    ["ID"],
    ["STARTTIME"],
    [
        column("ID", Kind::Numeric(20)),
        column("AGENTDBID", INT),
        column("PLACEDBID", INT),
        column("STATUS", INT),
        column("STARTTIME", INT),
        column("DURATION", INT),
        column("ENDTIME", INT),
        column("CONNID", Kind::Numeric(20)),
    ]
);

// What the numbers of its status mean is not public; it is always 1 here.
table!(
    QINFO,
    StatServer,
    [],
    ["STARTTIME"],
    [
        column("QUEUEDBID", INT),
        column("CONNID", Kind::Numeric(20)),
        column("STATUS", INT),
        column("STARTTIME", INT),
        column("DURATION", INT),
        column("ENDTIME", INT),
    ]
);

/// All tables.
pub(crate) static TABLES: [&Table; 16] = [
    &RESOURCE_,
    &RESOURCE_STATE,
    &RESOURCE_STATE_REASON,
    &MEDIA_TYPE,
    &INTERACTION_TYPE,
    &TECHNICAL_DESCRIPTOR,
    &CTL_AUDIT_LOG,
    &MEDIATION_SEGMENT_FACT,
    &INTERACTION_RESOURCE_FACT,
    &SM_RES_SESSION_FACT,
    &SM_RES_STATE_FACT,
    &SM_RES_STATE_REASON_FACT,
    &CFG_PERSON,
    &LOGIN,
    &STATUS,
    &QINFO,
];
