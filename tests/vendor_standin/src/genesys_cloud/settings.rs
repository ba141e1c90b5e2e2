//! What can be chosen: the account, the limits, and what the public documentation leaves open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ledger::QueueIx;
use crate::time::{DAY, HOUR, MINUTE, Ms};

/// Which field of a user names the agent in the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentField {
    /// `username`, the name at sign-in.
    Username,
    /// `email`.
    Email,
    /// `name`, as it is displayed.
    Name,
    /// `id`.
    Id,
}

/// A presence of the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// `op-1`.
    pub id: String,
    /// The system's presence behind it, as the analytics spell it: `ON_QUEUE`.
    pub system: &'static str,
    /// The label in English.
    pub label: String,
    /// Labels by other locales.
    pub labels: BTreeMap<String, String>,
    /// Whether it came with the system; the others were defined by users.
    pub is_system: bool,
    /// Whether it can no longer be chosen; the history still refers to it.
    pub is_deactivated: bool,
}

impl Presence {
    /// A presence that a user defined.
    pub fn new(id: &str, system: &'static str, label: &str) -> Self {
        let (id, label) = (id.to_owned(), label.to_owned());
        Self { id, system, label, labels: BTreeMap::new(), is_system: false, is_deactivated: false }
    }
}

/// Everything about the organisation and the service that can be chosen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// For how many seconds a token is good.
    pub expires_in: Ms,
    /// The status that answers a wrong secret: 400 or 401.
    pub wrong_secret_status: u16,
    /// How many requests a minute are let through for a token.
    pub requests_a_minute: usize,
    /// How many bytes a body may have.
    pub longest_body: usize,
    /// The permissions that the client's roles lack: `analytics:userDetail:view`.
    pub denied: BTreeSet<String>,
    /// How far the analytics are behind.
    pub lag: Ms,
    /// How far the results of jobs are behind.
    pub jobs_lag: Ms,
    /// How long the results of a job are kept.
    pub jobs_kept: Ms,
    /// The longest interval of an aggregates query, by the longest granularity it holds for.
    pub longest_aggregates: BTreeMap<Ms, Ms>,
    /// The longest interval of a conversations query or job.
    pub longest_conversations: Ms,
    /// The longest interval of a users query or job without filters.
    pub longest_users: Ms,
    /// The same with filters.
    pub longest_users_filtered: Ms,
    /// The largest page of the analytics.
    pub largest_page: usize,
    /// The page of a job's results if no size is asked for, and the largest there is.
    pub results_page: usize,
    /// Of which length the stretches are by which user details are stored; what spans several is stored in each.
    pub stored_by: Ms,
    /// Whether some pages of user details are a row short although others follow.
    pub has_short_pages: bool,
    /// Whether a list without entries is left out.
    pub omits_empty: bool,
    /// Whether `nOverSla` counts those too who gave up after the target, and not only those answered after it.
    pub counts_abandoned_over_sla: bool,
    /// What share of contacts should be answered within the target.
    pub service_level: f64,
    /// Whether ids within a conversation are short and repeat in others.
    pub has_short_ids: bool,
    /// By how much the routing statuses of a stretch on queue begin before and end after the presence.
    pub routing_skew: Ms,
    /// The presences; the first of a system's presence stands for it.
    pub presences: Vec<Presence>,
    /// The reasons for being not ready that are no presence but mean that an offer was not answered.
    pub not_responding: BTreeSet<String>,
    /// Whether `deactivated=true` lists the active definitions too.
    pub deactivated_lists_all: bool,
    /// Queues that were deleted: the directory does not list them.
    pub deleted_queues: BTreeSet<QueueIx>,
    /// Each how many-th user in a list lacks what was to be expanded.
    pub unexpanded: Option<usize>,
    /// Whether chats are `message` instead of `chat`.
    pub chats_are_messages: bool,
    /// How many notification channels a client may have.
    pub channels: usize,
    /// How many topics a channel may have.
    pub topics: usize,
    /// How long a channel lives.
    pub channel_life: Ms,
    /// How long it is between two heartbeats.
    pub heartbeat: Ms,
    /// How often a socket looks whether there is something to tell, by the machine's clock (or tokio's, where that is paused).
    pub socket_look: Duration,
    /// Topics to which the client may not subscribe.
    pub rejected_topics: BTreeSet<String>,
    /// Whether presences of other sources are sent beside the primary ones.
    pub has_foreign_presences: bool,
    /// The truth: what names an agent.
    pub agent_field: AgentField,
    /// The truth: whether the statuses on queue are told apart.
    pub is_detailed: bool,
    /// The truth: whether contacts that did not come from customers count.
    pub counts_outbound: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: "6e9b1b5a-demo".to_owned(),
            client_secret: "demo-secret+/=".to_owned(),
            expires_in: 86_399,
            wrong_secret_status: 401,
            requests_a_minute: 300,
            longest_body: 512_000,
            denied: BTreeSet::new(),
            lag: 2_000,
            jobs_lag: 4 * HOUR,
            jobs_kept: DAY,
            longest_aggregates: BTreeMap::from([(15 * MINUTE, DAY), (30 * MINUTE, 7 * DAY), (Ms::MAX, 31 * DAY)]),
            longest_conversations: 31 * DAY,
            longest_users: 7 * DAY,
            longest_users_filtered: 31 * DAY,
            largest_page: 100,
            results_page: 1_000,
            stored_by: DAY,
            has_short_pages: true,
            omits_empty: true,
            counts_abandoned_over_sla: false,
            service_level: 0.8,
            has_short_ids: false,
            routing_skew: 0,
            presences: presences(),
            not_responding: BTreeSet::from(["Not Responding".to_owned()]),
            deactivated_lists_all: false,
            deleted_queues: BTreeSet::new(),
            unexpanded: None,
            chats_are_messages: false,
            channels: 20,
            topics: 1_000,
            channel_life: DAY,
            heartbeat: 30_000,
            socket_look: Duration::from_millis(5),
            rejected_topics: BTreeSet::new(),
            has_foreign_presences: true,
            agent_field: AgentField::Username,
            is_detailed: true,
            counts_outbound: false,
        }
    }
}

/// The presences of the system, and some that somebody has defined for the reasons in the simulated ledgers.
fn presences() -> Vec<Presence> {
    let system = [
        ("ON_QUEUE", "On Queue", "In Warteschlange"),
        ("AVAILABLE", "Available", "Verfügbar"),
        ("AWAY", "Away", "Abwesend"),
        ("BUSY", "Busy", "Beschäftigt"),
        ("OFFLINE", "Offline", "Offline"),
        ("IDLE", "Idle", "Inaktiv"),
        ("MEAL", "Meal", "Mahlzeit"),
        ("TRAINING", "Training", "Schulung"),
        ("MEETING", "Meeting", "Besprechung"),
        ("BREAK", "Break", "Pause"),
    ];
    let own = [
        ("MEETING", "Team Meeting", false),
        ("MEAL", "Lunch", false),
        ("BREAK", "Pause, kurz & gut", false),
        ("TRAINING", "Training (corrected)", true),
        ("BREAK", "Smoking", true),
    ];
    let system = system.into_iter().zip(1..).map(|((system, label, german), number)| Presence {
        labels: BTreeMap::from([("de".to_owned(), german.to_owned())]),
        is_system: true,
        ..Presence::new(&format!("op-{number}"), system, label)
    });
    let own = own.into_iter().zip(11..).map(|((system, label, is_deactivated), number)| Presence {
        is_deactivated,
        ..Presence::new(&format!("op-{number}"), system, label)
    });
    system.chain(own).collect()
}
