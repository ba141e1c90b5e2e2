//! Lists of names: queues, agents, statuses.

use std::collections::HashMap;

use injixo_connector_sql::database::{Cell, Session, Statement};
use injixo_core::Result;
use injixo_core::model::Channel;

use crate::config::{List, SikomConfig};
use crate::query;

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) name: Option<String>,
    /// `None` where the value names no channel.
    pub(crate) channel: Option<Channel>,
}

/// The queues by their identifiers.
pub(crate) async fn queues(session: &mut Session, config: &SikomConfig) -> Result<HashMap<String, Queue>> {
    let mut found = HashMap::new();
    let Some((text, queues)) = query::queues(session.dialect(), config).zip(config.queues.as_ref()) else {
        return Ok(found);
    };
    let has_channel = queues.channel.is_some();
    each(session, &text, |cells| {
        let [id, name, rest @ ..] = cells else { return };
        if let Some(id) = identifier(*id) {
            let value = rest.first().and_then(|value| identifier(*value));
            let channel = match has_channel {
                true => value.and_then(|value| queues.channels.get(&value).copied()),
                false => Some(Channel::Calls),
            };
            found.insert(id, Queue { name: identifier(*name), channel });
        }
    })
    .await?;
    Ok(found)
}

/// The names of a list by their identifiers; none where the mapping has no such list.
pub(crate) async fn names(session: &mut Session, list: Option<&List>) -> Result<HashMap<String, String>> {
    let mut found = HashMap::new();
    let Some(list) = list else { return Ok(found) };
    let text = query::list(session.dialect(), list);
    each(session, &text, |cells| {
        if let [id, name] = cells
            && let Some((id, name)) = identifier(*id).zip(identifier(*name))
        {
            found.insert(id, name);
        }
    })
    .await?;
    Ok(found)
}

async fn each(session: &mut Session, text: &str, each: impl FnMut(&[Cell<'_>]) + Send) -> Result<()> {
    let mut select = Statement::new(session.dialect());
    select.push(text);
    session.each(&select, each).await
}

/// What names something, without the blanks behind it; numbers as they are written.
pub(crate) fn identifier(cell: Cell<'_>) -> Option<String> {
    let mut digits = String::new();
    let text = cell.name(&mut digits).ok()??.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}
