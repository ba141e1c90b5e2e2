//! What agents do now: snapshots and changes of a live source, in whatever order and however often they come.
//!
//! Pure: no I/O, no clock. The [`Board`] holds the source's last word about each agent. What it says is also turned into live
//! facts, spans that the agent's next word ends; an agent whom a snapshot holds no longer gets one that says so.

use std::collections::BTreeMap;

use injixo_model::Timestamp;

use crate::connector::{AgentNow, Said};

/// The last word about each agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Board {
    agents: BTreeMap<String, (Option<String>, Timestamp)>,
}

/// What a word of the source brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// What changed on the board.
    pub(crate) changed: Vec<AgentNow>,
    /// What is to be kept, words about the past included.
    pub(crate) facts: Vec<AgentNow>,
}

impl Board {
    /// The board as the store last knew it.
    pub(crate) fn from_store(agents: impl IntoIterator<Item = AgentNow>) -> Self {
        Self { agents: agents.into_iter().map(|now| (now.agent, (now.status, now.since))).collect() }
    }

    /// Everyone who has a status, sorted by agent.
    pub(crate) fn agents(&self) -> Vec<AgentNow> {
        let with_status = self.agents.iter().filter(|(_, (status, _))| status.is_some());
        let now = |(agent, (status, since)): (&String, &(Option<String>, Timestamp))| AgentNow {
            agent: agent.clone(),
            status: status.clone(),
            since: *since,
        };
        with_status.map(now).collect()
    }

    pub(crate) fn hear(&mut self, said: Said) -> News {
        let mut news = News::default();
        match said {
            Said::Change(now) => self.change(now, &mut news),
            Said::Snapshot(as_of, agents) => self.snapshot(as_of, agents, &mut news),
        }
        news
    }

    fn change(&mut self, now: AgentNow, news: &mut News) {
        let held = self.agents.get(&now.agent);
        if held.is_some_and(|held| held.0 == now.status && held.1 == now.since) {
            return;
        }
        if held.is_none_or(|held| held.1 <= now.since) {
            // Staying in the same status is no change, whenever it is said to have begun.
            let is_change = held.map_or(now.status.is_some(), |held| held.0 != now.status);
            self.agents.insert(now.agent.clone(), (now.status.clone(), now.since));
            if is_change {
                news.changed.push(now.clone());
            }
        }
        news.facts.push(now);
    }

    fn snapshot(&mut self, as_of: Timestamp, agents: Vec<AgentNow>, news: &mut News) {
        let mut gone: Vec<String> = self
            .agents
            .iter()
            .filter(|(_, held)| held.0.is_some() && held.1 <= as_of)
            .map(|(agent, _)| agent.clone())
            .collect();
        for now in agents {
            gone.retain(|agent| *agent != now.agent);
            let held = self.agents.get(&now.agent);
            let contradicts = held.is_some_and(|held| held.0 != now.status && now.since < held.1 && held.1 <= as_of);
            if contradicts {
                // The source says now that what it said of the time since then does not hold any more.
                self.change(AgentNow { since: as_of, ..now.clone() }, news);
            }
            self.change(now, news);
        }
        for agent in gone {
            self.change(AgentNow { agent, status: None, since: as_of }, news);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn now(agent: &str, status: &str, since: i64) -> AgentNow {
        let status = (!status.is_empty()).then(|| status.to_owned());
        AgentNow { agent: agent.to_owned(), status, since: at(since) }
    }

    fn change(agent: &str, status: &str, since: i64) -> Said {
        Said::Change(now(agent, status, since))
    }

    #[test]
    fn a_change_shows_and_a_repeated_one_does_not() {
        let mut board = Board::default();
        assert_eq!(board.hear(change("amy", "Ready", 10)).changed, [now("amy", "Ready", 10)]);
        assert_eq!(board.hear(change("amy", "Ready", 10)), News::default());
        assert_eq!(board.hear(change("amy", "Break", 20)).changed, [now("amy", "Break", 20)]);
        assert_eq!(board.agents(), [now("amy", "Break", 20)]);
    }

    #[test]
    fn an_older_word_fills_the_past_and_is_not_now() {
        let mut board = Board::default();
        board.hear(change("amy", "Break", 20));
        let news = board.hear(change("amy", "Ready", 10));
        assert_eq!((news.changed, news.facts), (vec![], vec![now("amy", "Ready", 10)]));
        assert_eq!(board.agents(), [now("amy", "Break", 20)]);
    }

    #[test]
    fn a_snapshot_ends_what_it_no_longer_holds() {
        let mut board = Board::default();
        board.hear(Said::Snapshot(at(5), vec![now("amy", "Ready", 1), now("bob", "Ready", 2)]));
        let news = board.hear(Said::Snapshot(at(50), vec![now("bob", "Break", 40)]));
        assert_eq!(news.changed, [now("bob", "Break", 40), now("amy", "", 50)]);
        assert_eq!(news.facts, [now("bob", "Break", 40), now("amy", "", 50)]);
        assert_eq!(board.agents(), [now("bob", "Break", 40)]);
    }

    #[test]
    fn a_snapshot_that_is_older_than_a_change_does_not_undo_it() {
        let mut board = Board::default();
        board.hear(change("amy", "Break", 60));
        assert_eq!(board.hear(Said::Snapshot(at(50), vec![])).changed, []);
        assert_eq!(board.hear(Said::Snapshot(at(50), vec![now("amy", "Ready", 40)])).changed, []);
        assert_eq!(board.agents(), [now("amy", "Break", 60)]);
    }

    #[test]
    fn a_snapshot_outranks_an_earlier_change_that_it_contradicts() {
        let mut board = Board::default();
        board.hear(change("amy", "Ready", 10));
        board.hear(change("amy", "Break", 20));
        let news = board.hear(Said::Snapshot(at(30), vec![now("amy", "Ready", 10)]));
        assert_eq!(news.changed, [now("amy", "Ready", 30)]);
        assert_eq!(board.agents(), [now("amy", "Ready", 30)]);
    }
}
