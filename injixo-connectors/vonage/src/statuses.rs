//! Agent statuses: the states that Vonage keeps for workforce management.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{Context, Limits, Outcome, StatusSource, StatusWriter};
use injixo_core::model::{Millis, RejectedRow, Rule, Window};

use crate::client::{Client, instant};
use crate::config::VonageConfig;
use crate::wire::AgentState;

#[derive(Debug)]
pub(crate) struct Statuses {
    pub(crate) client: Client,
    pub(crate) config: Arc<VonageConfig>,
}

const LONGEST_WINDOW: Millis = Millis::from_mins(1_440);

#[async_trait]
impl StatusSource for Statuses {
    fn limits(&self) -> Limits {
        let late = Millis::from_secs(i64::from(self.config.longest_interaction_secs));
        Limits::new().longest_window(LONGEST_WINDOW).writes_late(late)
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        // States that end in the window give earlier ones their end.
        let request = self.client.request(PATH).query("start", instant(window.from()));
        let request = request.query("end", instant(window.to())).query("include", "StartedOrEnded");
        let answer = self.client.rows(cx, &request).await?;
        for (index, item) in answer.items.into_iter().enumerate() {
            match serde_json::from_value::<AgentState>(item) {
                Ok(state) if state.start < window.to() => {
                    let end = state.duration.map(|duration| state.start.after(duration));
                    out.span(&state.agent_id, &state.status(), state.start, end);
                }
                Ok(_) => {}
                Err(_) => out.reject(&RejectedRow {
                    source: PATH.to_owned(),
                    line: index as u64 + 1,
                    column: String::new(),
                    rule: Rule::Columns,
                    excerpt: String::new(),
                })?,
            }
        }
        out.flush().await?;
        let up_to = answer.up_to.filter(|up_to| *up_to < window.to());
        Ok(up_to.map_or(Outcome::complete(), Outcome::complete_until))
    }
}

pub(crate) const PATH: &str = "/stats/wfm/agent-states";
