//! Agent statuses from the report of agent states.

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{Context, Limits, Outcome, StatusSource, StatusWriter};
use injixo_core::model::{Millis, Window};

use crate::report::Reports;

#[derive(Debug)]
pub(crate) struct Statuses(pub(crate) Reports);

const LONGEST_WINDOW: Millis = Millis::from_mins(1_440);

#[async_trait]
impl StatusSource for Statuses {
    fn limits(&self) -> Limits {
        let late = Millis::from_secs(i64::from(self.0.config.longest_state_secs));
        Limits::new().longest_window(LONGEST_WINDOW).writes_late(late)
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let Some(parts) = self.0.read(cx, &self.0.config.states_report(), window).await? else {
            return Ok(Outcome::truncated());
        };
        for part in &parts {
            let table = &part.table;
            let [agent, state, length] = table.columns(["AGENT", "STATE", "AGENT STATE TIME"])?;
            let reason = table.find("REASON CODE");
            let timestamp = table.find("TIMESTAMP");
            let [date, time] = if timestamp.is_some() { [0, 0] } else { table.columns(["DATE", "TIME"])? };
            let (mut outside, mut inside) = (Vec::new(), 0);
            for row in table.rows() {
                let local = timestamp.map_or_else(|| row.date_and_time(date, time), |column| row.timestamp(column));
                let (local, length) = match (local, row.length(length)) {
                    (Ok(local), Ok(length)) => (local, length),
                    (Err(wrong), _) | (_, Err(wrong)) => {
                        out.reject(&row.rejected(wrong))?;
                        continue;
                    }
                };
                let Some(start) = self.0.instant(part, local) else {
                    outside.push(local);
                    continue;
                };
                inside += 1;
                let status = status(row.text(state), reason.map_or("", |column| row.text(column)));
                out.span(row.text(agent), &status, start, start.after(length));
            }
            self.0.check_range(part, &outside, inside)?;
        }
        out.flush().await?;
        Ok(Outcome::complete())
    }
}

/// What a state is called: with its reason if there is one.
pub(crate) fn status(state: &str, reason: &str) -> String {
    if reason.is_empty() { state.to_owned() } else { format!("{state}: {reason}") }
}
