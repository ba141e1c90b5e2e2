//! What agents do now: everyone at first, then what has changed since the last answer.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{AgentNow, Context, LiveSource, LiveWriter};
use injixo_core::model::{Millis, Timestamp};
use serde_json::Value;

use crate::client::{Client, instant};
use crate::config::VonageConfig;
use crate::statuses;
use crate::wire::{self, AgentState};

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) client: Client,
    pub(crate) config: Arc<VonageConfig>,
}

/// How often everyone is asked for anew, so that nothing stays wrong.
const ANEW: Millis = Millis::from_mins(15);

#[async_trait]
impl LiveSource for Live {
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()> {
        let poll = Millis::from_secs(i64::from(self.config.poll_secs));
        let (mut since, mut next_snapshot) = (cx.now(), cx.now());
        loop {
            let asked = cx.now();
            if asked >= next_snapshot {
                since = self.snapshot(cx, out).await?;
                next_snapshot = asked.after(ANEW);
            } else {
                since = self.changes(cx, since, out).await?;
            }
            cx.sleep(asked.after(poll).max(cx.now().after(Millis::from_secs(1)))).await;
        }
    }
}

impl Live {
    /// Everyone, and until when that is known.
    async fn snapshot(&self, cx: &Context, out: &mut LiveWriter) -> Result<Timestamp> {
        let now = cx.now();
        // The snapshot does not say with what somebody is busy; this does.
        let longest = Millis::from_secs(i64::from(self.config.longest_interaction_secs));
        let (states, up_to) = self.states(cx, now.before(longest), now, "StartedOrEnded").await?;
        let mut agents: HashMap<String, AgentNow> = HashMap::new();
        for state in states.into_iter().filter(|state| state.duration.is_none()) {
            let agent = AgentNow { agent: state.agent_id.clone(), status: Some(state.status()), since: state.start };
            agents.insert(state.agent_id, agent);
        }
        // Who has been in one state for longer stands only here.
        let everyone = self.client.rows(cx, &self.client.request("/stats/agent-status")).await?;
        for item in everyone.items {
            let Ok(agent) = serde_json::from_value::<wire::AgentNow>(item) else { continue };
            agents.entry(agent.agent_id.clone()).or_insert_with(|| of_snapshot(agent, now));
        }
        let as_of = up_to.min(now);
        out.snapshot(as_of, agents.into_values().collect()).await?;
        Ok(as_of)
    }

    /// What was processed since `since`, and until when that is all.
    async fn changes(&self, cx: &Context, since: Timestamp, out: &mut LiveWriter) -> Result<Timestamp> {
        let now = cx.now();
        let (states, up_to) = self.states(cx, since, now, "Processed").await?;
        let mut last: HashMap<&str, &AgentState> = HashMap::new();
        for state in &states {
            let held = last.entry(&state.agent_id).or_insert(state);
            if state.start >= held.start {
                *held = state;
            }
        }
        for state in last.into_values().filter(|state| state.duration.is_none()) {
            out.change(&state.agent_id, Some(&state.status()), state.start).await?;
        }
        Ok(up_to.max(since).min(now))
    }

    async fn states(
        &self,
        cx: &Context,
        from: Timestamp,
        to: Timestamp,
        include: &str,
    ) -> Result<(Vec<AgentState>, Timestamp)> {
        let request = self.client.request(statuses::PATH).query("start", instant(from));
        let request = request.query("end", instant(to)).query("include", include);
        let answer = self.client.rows(cx, &request).await?;
        let read = |item: Value| serde_json::from_value(item).ok();
        Ok((answer.items.into_iter().filter_map(read).collect(), answer.up_to.unwrap_or(to)))
    }
}

/// What the snapshot says of an agent: with what an interaction keeps somebody busy it does not say.
fn of_snapshot(agent: wire::AgentNow, now: Timestamp) -> AgentNow {
    let busy = agent.interaction.iter().map(|work| work.since).min();
    let (status, since) = match (busy, &agent.presence) {
        (Some(since), _) => (Some("Busy".to_owned()), since),
        (None, Some(presence)) => (Some(of_presence(&presence.name, presence.description.as_deref())), presence.since),
        (None, None) => (None, now),
    };
    AgentNow { agent: agent.agent_id, status, since }
}

/// What states call presences. Which of the two texts of the snapshot is one of these is not documented.
const CATEGORIES: [&str; 5] = ["Ready", "ReadyRFO", "Away", "ExtendedAway", "LoggedOut"];

fn of_presence(name: &str, description: Option<&str>) -> String {
    let is_category = |text: &str| CATEGORIES.iter().any(|category| category.eq_ignore_ascii_case(text));
    match description {
        Some(description) if is_category(description) && !is_category(name) => wire::status(description, Some(name)),
        _ => wire::status(name, description),
    }
}
