//! The queries that the mapping stands for, made of checked names only.

use injixo_connector_sql::database::Dialect;

use crate::config::{AgentStatus, Contacts, SikomConfig};

/// A name in quotes, each of its parts.
pub(crate) fn quoted(dialect: Dialect, name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(|part| dialect.quoted(part)).collect();
    parts.join(".")
}

/// `SELECT column AS name, … FROM table`
fn select(dialect: Dialect, table: &str, columns: &[(&str, Option<&str>)]) -> String {
    let list: Vec<String> = columns
        .iter()
        .filter_map(|(name, column)| Some(format!("t.{} AS {name}", dialect.quoted(column.as_deref()?))))
        .collect();
    format!("SELECT {} FROM {} t", list.join(", "), quoted(dialect, table))
}

/// The query for contacts.
pub(crate) fn contacts(dialect: Dialect, contacts: &Contacts) -> String {
    let columns = [
        ("queue_id", Some(contacts.queue_id.as_str())),
        ("arrived", Some(&contacts.arrived)),
        ("answered", Some(&contacts.answered)),
        ("ended", Some(&contacts.ended)),
        ("wrap_ended", contacts.wrap_ended.as_deref()),
        ("wrap_seconds", contacts.wrap_seconds.as_deref()),
        ("direction", contacts.direction.as_ref().map(|values| values.column.as_str())),
        ("result", contacts.result.as_ref().map(|values| values.column.as_str())),
    ];
    select(dialect, &contacts.table, &columns)
}

/// The query for statuses, from their table or from that of the current ones.
pub(crate) fn statuses(dialect: Dialect, status: &AgentStatus, table: &str) -> String {
    let columns = [
        ("agent_id", Some(status.agent_id.as_str())),
        ("status_id", Some(&status.status_id)),
        ("started", Some(&status.start)),
        ("ended", status.end.as_deref()),
        ("seconds", status.seconds.as_deref()),
        ("scope", status.scope.as_ref().map(|scope| scope.column.as_str())),
    ];
    select(dialect, table, &columns)
}

/// The queries for the lists of queues, agents and statuses.
pub(crate) fn queues(dialect: Dialect, config: &SikomConfig) -> Option<String> {
    let queues = config.queues.as_ref()?;
    let columns =
        [("id", Some(queues.id.as_str())), ("name", Some(&queues.name)), ("channel", queues.channel.as_deref())];
    Some(select(dialect, &queues.table, &columns))
}

/// The query for a list of names.
pub(crate) fn list(dialect: Dialect, list: &crate::config::List) -> String {
    select(dialect, &list.table, &[("id", Some(list.id.as_str())), ("name", Some(&list.name))])
}
