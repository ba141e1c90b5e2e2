//! Contacts: passes of interactions through queues.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connector_sql::database::{Cell, Dialect, Rejects, Rows, Statement};
use injixo_core::Result;
use injixo_core::connector::{ContactSource, ContactWriter, Context, Limits, Outcome};
use injixo_core::model::{Channel, Millis, Rule, Timestamp, Window};

use super::config::{ContactRules, EngageConfig, HandleTime};
use super::mart::{
    HANDLINGS, Mart, Names, PASSES, Resource, ResourceKind, keys_of, no_code, no_mart, partition, partition_behind,
    push_one_of, push_range,
};

/// Reads contacts.
#[derive(Debug)]
pub(crate) struct Contacts(pub(crate) Arc<EngageConfig>);

#[async_trait]
impl ContactSource for Contacts {
    fn limits(&self) -> Limits {
        Limits::new().writes_late(self.0.contacts.late())
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let (config, rules) = (&self.0, &self.0.contacts);
        let mut mart = Mart::open(config).await?.ok_or_else(no_mart)?;
        // What is loaded while this is read may be missed, so that is asked first.
        let loaded = mart.loaded(config).await?;
        let outcome = match loaded {
            Some(until) if until < window.to() => Outcome::complete_until(until.max(window.from())),
            _ => Outcome::complete(),
        };
        let media = mart.codes("MEDIA_TYPE", "MEDIA_TYPE_KEY", ["MEDIA_NAME_CODE"]).await?;
        let types = mart.codes("INTERACTION_TYPE", "INTERACTION_TYPE_KEY", ["INTERACTION_TYPE_CODE"]).await?;
        let columns = ["TECHNICAL_RESULT_CODE", "RESULT_REASON_CODE", "RESOURCE_ROLE_CODE"];
        let ends = mart.codes("TECHNICAL_DESCRIPTOR", "TECHNICAL_DESCRIPTOR_KEY", columns).await?;
        let queues = mart.resources(ResourceKind::Queue).await?;
        let media_keys = keys_of(&media, |[code]| rules.channels.contains_key(code));
        let type_keys = keys_of(&types, |[code]| rules.interactions.contains(code));
        if media_keys.is_empty() {
            return Err(no_code("contacts.channels", &media));
        }
        if type_keys.is_empty() {
            return Err(no_code("contacts.interactions", &types));
        }
        let select = Select {
            names: &mart.names,
            has_target_partition: mart.has_target_partition,
            handle_time: rules.handle_time,
            media: &media_keys,
            types: &type_keys,
        };
        let select = select.statement(mart.dialect(), window);
        let channels = media.into_iter().filter_map(|(key, [code])| Some((key, *rules.channels.get(&code)?))).collect();
        let ends = ends.into_iter().map(|(key, codes)| (key, End::of(&codes, rules))).collect();
        let queues = queues
            .into_iter()
            .filter(|(_, queue)| rules.queues.contains(&queue.subtype))
            .map(|(key, queue)| (key, Queue::from(queue)))
            .collect();
        let rejects = Rejects::new("contacts", window);
        let mut taking = Taking { window, channels, ends, queues, rules, out, rejects };
        mart.session.read(&select, &mut taking).await?;
        Ok(outcome)
    }
}

/// The passes of a window, each with the times of the agent who took it.
pub(crate) struct Select<'a> {
    pub(crate) names: &'a Names,
    pub(crate) has_target_partition: bool,
    pub(crate) handle_time: HandleTime,
    pub(crate) media: &'a [i64],
    pub(crate) types: &'a [i64],
}

impl Select<'_> {
    pub(crate) fn statement(&self, dialect: Dialect, window: Window) -> Statement {
        let [talk, hold, work] = match self.handle_time {
            HandleTime::Customer => ["CUSTOMER_TALK_DURATION", "CUSTOMER_HOLD_DURATION", "CUSTOMER_ACW_DURATION"],
            HandleTime::All => ["TALK_DURATION", "HOLD_DURATION", "AFTER_CALL_WORK_DURATION"],
        };
        let (passes, handlings) = (self.names.table(PASSES), self.names.table(HANDLINGS));
        let mut select = Statement::new(dialect);
        select.push(&format!(
            "SELECT m.START_TS, m.RESOURCE_KEY, m.MEDIA_TYPE_KEY, m.TECHNICAL_DESCRIPTOR_KEY, m.SHORT_ABANDONED_FLAG, \
             m.MEDIATION_DURATION, i.CUSTOMER_RING_DURATION, i.{talk}, i.{hold}, i.{work} FROM {passes} m LEFT JOIN \
             {handlings} i ON i.INTERACTION_RESOURCE_ID = m.TARGET_IXN_RESOURCE_ID"
        ));
        if self.has_target_partition {
            select.push(" AND i.START_DATE_TIME_KEY = m.TARGET_IXN_RESOURCE_SDT_KEY");
        }
        select.push(" WHERE ");
        push_range(&mut select, "m.START_DATE_TIME_KEY", partition(window.from()), partition_behind(window.to()));
        select.push(" AND m.ACTIVE_FLAG = 0");
        push_one_of(&mut select, "m.MEDIA_TYPE_KEY", self.media);
        push_one_of(&mut select, "m.INTERACTION_TYPE_KEY", self.types);
        select
    }
}

/// How a pass through a queue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Answered,
    Abandoned,
    /// It went somewhere else.
    Other,
    /// It is no contact.
    Ignored,
}

impl End {
    fn of([result, reason, role]: &[String; 3], rules: &ContactRules) -> Self {
        let is_one_of = |codes: &[String]| codes.contains(reason) || codes.contains(result);
        if !rules.roles.contains(role) || rules.ignored.contains(result) {
            Self::Ignored
        } else if is_one_of(&rules.answered) {
            Self::Answered
        } else if is_one_of(&rules.abandoned) {
            Self::Abandoned
        } else {
            Self::Other
        }
    }
}

/// What a queue is called.
#[derive(Debug)]
struct Queue {
    /// Its number in the configuration database, which stays when it is renamed.
    identifier: String,
    name: Option<String>,
}

impl From<Resource> for Queue {
    fn from(resource: Resource) -> Self {
        match resource.dbid {
            Some(dbid) => {
                Self { identifier: dbid.to_string(), name: Some(resource.name).filter(|name| !name.is_empty()) }
            }
            None => Self { identifier: resource.name, name: None },
        }
    }
}

/// Makes contacts of rows.
struct Taking<'o, 'w> {
    window: Window,
    channels: HashMap<i64, Channel>,
    ends: HashMap<i64, End>,
    queues: HashMap<i64, Queue>,
    rules: &'o ContactRules,
    out: &'o mut ContactWriter<'w>,
    rejects: Rejects,
}

#[async_trait]
impl Rows for Taking<'_, '_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.rejects.advance();
        match self.contact(cells) {
            Ok(()) => Ok(()),
            Err((column, rule, at)) => {
                let value = cells.get(at).copied().unwrap_or(Cell::Null);
                self.out.reject(&self.rejects.row(column, rule, value))
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.out.flush().await
    }
}

type Wrong = (&'static str, Rule, usize);

impl Taking<'_, '_> {
    fn contact(&mut self, cells: &[Cell<'_>]) -> Result<(), Wrong> {
        let cell = |at: usize| cells.get(at).copied().unwrap_or(Cell::Null);
        let start = cell(0).whole().ok_or(("START_TS", Rule::Required, 0))?;
        let start = Timestamp::from_millis(start.saturating_mul(1_000));
        if !self.window.contains(start) {
            return Ok(());
        }
        let Some(queue) = cell(1).whole().and_then(|key| self.queues.get(&key)) else { return Ok(()) };
        let Some(channel) = cell(2).whole().and_then(|key| self.channels.get(&key)) else { return Ok(()) };
        // A descriptor that the mart does not know yet: the customer was there, how it ended is not known.
        let end = cell(3).whole().and_then(|key| self.ends.get(&key)).copied().unwrap_or(End::Other);
        let is_short = cell(4).whole() == Some(1);
        if end == End::Ignored || (is_short && !self.rules.short_abandons) {
            return Ok(());
        }
        let secs = |at: usize, name: &'static str| cell(at).duration().map_err(|rule| (name, rule, at));
        let waited = secs(5, "MEDIATION_DURATION")?.unwrap_or(Millis::ZERO);
        let rang = secs(6, "CUSTOMER_RING_DURATION")?;
        let parts = [secs(7, "TALK_DURATION")?, secs(8, "HOLD_DURATION")?, secs(9, "ACW_DURATION")?];
        let is_answered = end == End::Answered;
        // Without the agent's row the time is not known.
        let handled = parts.iter().any(Option::is_some) && is_answered;
        let sum = parts.into_iter().flatten().fold(0, |sum, part| sum + part.get());
        let contact = self.out.contact(&queue.identifier, *channel, start);
        let contact = match &queue.name {
            Some(name) => contact.in_queue_named(name),
            None => contact,
        };
        let wait = is_answered.then(|| Millis::new(waited.get() + rang.map_or(0, Millis::get)));
        let contact = contact.answered_after(wait).abandoned(end == End::Abandoned);
        contact.handle_time(handled.then_some(Millis::new(sum)));
        Ok(())
    }
}
