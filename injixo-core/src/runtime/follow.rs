//! Following a live source: what it says reaches subscribers at once, and the store soon after.

use std::sync::{Arc, Mutex, PoisonError};

use injixo_model::Millis;
use tokio::sync::{broadcast, mpsc, watch};

use super::lane::LaneState;
use super::{Runtime, query};
use crate::connector::{AgentNow, Connector, LiveWriter, Said};
use crate::error::{Error, ErrorKind, Result};
use crate::import::{self, Guard, Target};
use crate::live;
use crate::store::{IntegrationRecord, WorkRecord};

/// The agents of one integration as far as this process follows them.
#[derive(Debug)]
pub(crate) struct Board {
    agents: Mutex<live::Board>,
    updates: broadcast::Sender<LiveUpdate>,
}

/// How many updates a slow subscriber may be behind before it is told that it lagged.
const MOST_BEHIND: usize = 4_096;

/// How much of what a source said may wait to be heard before the source is held back.
const MOST_WAITING: usize = 4_096;

/// How long words are gathered before they are kept together.
const GATHER: Millis = Millis::new(250);

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveUpdate {
    /// Everyone who has a status: on subscribing, after every reconnect of the source, and after having lagged.
    Snapshot(Vec<AgentNow>),
    /// An agent has another status, or none any more.
    Change(AgentNow),
    /// The subscriber was too slow: so many updates are lost to it. A snapshot follows.
    Lagged(u64),
}

/// A subscription to what the agents of an integration do now.
#[derive(Debug)]
pub struct Live {
    board: Arc<Board>,
    updates: broadcast::Receiver<LiveUpdate>,
    next: Option<LiveUpdate>,
}

impl Live {
    /// The next update; waits for it. The first one is a snapshot.
    pub async fn next(&mut self) -> LiveUpdate {
        if let Some(next) = self.next.take() {
            return next;
        }
        match self.updates.recv().await {
            Ok(update) => update,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                let (updates, snapshot) = self.board.subscribe();
                self.updates = updates;
                self.next = Some(LiveUpdate::Snapshot(snapshot));
                LiveUpdate::Lagged(missed)
            }
            // The board that this subscription holds keeps the channel open.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Board {
    fn new(agents: live::Board) -> Self {
        Self { agents: Mutex::new(agents), updates: broadcast::Sender::new(MOST_BEHIND) }
    }

    /// Goes on from what the store knows, which another process may have followed meanwhile.
    fn reload(&self, agents: live::Board) {
        *self.agents.lock().unwrap_or_else(PoisonError::into_inner) = agents;
    }

    /// Everyone as of now, and whatever comes after.
    fn subscribe(&self) -> (broadcast::Receiver<LiveUpdate>, Vec<AgentNow>) {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        (self.updates.subscribe(), agents.agents())
    }

    /// Hears what the source says and tells the subscribers; returns what is to be kept.
    fn hear(&self, said: Said, is_first: bool) -> Vec<AgentNow> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let news = agents.hear(said);
        if is_first {
            // Nobody listening is no error.
            let _ = self.updates.send(LiveUpdate::Snapshot(agents.agents()));
        } else {
            for change in news.changed {
                let _ = self.updates.send(LiveUpdate::Change(change));
            }
        }
        news.facts
    }
}

impl Runtime {
    /// Follows what the agents of an integration do, as far as this process follows its live source: each change within moments
    /// of its arrival, first everyone as of now. Other processes follow the [change feed](Self::changes).
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn live(&self, integration: &str) -> Result<Live> {
        let id = query::integration(&mut *self.store.read().await?, integration).await?.id;
        let board = self.board(id).await?;
        let (updates, snapshot) = board.subscribe();
        Ok(Live { board, updates, next: Some(LiveUpdate::Snapshot(snapshot)) })
    }

    async fn board(&self, integration: u32) -> Result<Arc<Board>> {
        if let Some(board) = self.shared.boards().get(&integration) {
            return Ok(Arc::clone(board));
        }
        let said = import::last_said(&mut *self.store.read().await?, integration).await?;
        let board = Arc::new(Board::new(live::Board::from_store(said)));
        Ok(Arc::clone(self.shared.boards().entry(integration).or_insert(board)))
    }

    /// Follows the live source of an integration until it fails.
    pub(super) async fn follow(
        &self,
        work: &WorkRecord,
        state: &mut LaneState,
        record: &IntegrationRecord,
        connector: &Arc<dyn Connector>,
    ) -> Result<()> {
        let Some(source) = connector.live() else { return Ok(()) };
        let board = self.board(record.id).await?;
        let known = import::last_said(&mut *self.store.read().await?, record.id).await?;
        board.reload(live::Board::from_store(known));
        let guard = Guard { generation: Some(record.generation), lease: Some((work.lane, work.fence)) };
        let target = Target { store: &*self.store, integration: record.id, zone: connector.zone(), guard };
        let (out, said) = mpsc::channel(MOST_WAITING);
        let (hand_over, facts) = mpsc::channel(MOST_WAITING);
        let cx = self.context(None);
        let mut ended = Ok(());
        let (has_heard, heard) = watch::channel(false);
        let follow = async {
            let mut writer = LiveWriter { out };
            ended = source.follow(&cx, &mut writer).await;
            Ok(())
        };
        let heard = self.note_heard(work, heard);
        let hear = hear(&board, said, hand_over, &has_heard);
        let kept = self.keep(&target, facts);
        let done = {
            let followed = async { tokio::try_join!(follow, hear, kept) };
            tokio::pin!(followed);
            tokio::select! {
                biased;
                done = &mut followed => done,
                noted = heard => match noted {
                    Ok(()) => followed.await,
                    Err(error) => Err(error),
                },
            }
        };
        if *has_heard.borrow() {
            // The next failure is the first one again.
            state.succeeded(self.now().await?);
        }
        done?;
        ended.and(Err(Error::new(ErrorKind::Unavailable, "the live source has ended: following it again")))
    }

    /// Notes in the store, as soon as the source has said something, that it is followed again.
    async fn note_heard(&self, work: &WorkRecord, mut heard: watch::Receiver<bool>) -> Result<()> {
        if heard.wait_for(|heard| *heard).await.is_err() {
            return Ok(());
        }
        let mut transaction = self.store.write().await?;
        let Some(held) = transaction.lock_work(work.integration, work.lane).await? else { return Ok(()) };
        if held.fence != work.fence {
            return Ok(());
        }
        let mut state = LaneState::of(&held);
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        state.succeeded(now);
        transaction.put_work(&[WorkRecord { state: state.to_json(), ..held }]).await?;
        transaction.commit().await
    }

    /// Keeps what a live source said, gathered for a moment; while the store cannot be used it is held back.
    async fn keep(&self, target: &Target<'_>, mut facts: mpsc::Receiver<Vec<AgentNow>>) -> Result<()> {
        while let Some(mut gathered) = facts.recv().await {
            let until = self.clock.sleep_until(self.clock.now().after(GATHER));
            tokio::pin!(until);
            loop {
                tokio::select! {
                    biased;
                    () = &mut until => break,
                    more = facts.recv() => match more {
                        Some(more) => gathered.extend(more),
                        None => break,
                    },
                }
            }
            loop {
                let now = self.now().await.unwrap_or_else(|_| self.clock.now());
                match import::keep_live(target, &gathered, now).await {
                    Ok(()) => {
                        let labels = [("integration", target.integration.to_string())];
                        metrics::counter!("injixo_live_words_total", &labels).increment(gathered.len() as u64);
                        break;
                    }
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        tracing::warn!(%error, "what the live source said cannot be kept for the moment");
                        self.clock.sleep_until(self.clock.now().after(RETRY)).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            self.committed();
        }
        Ok(())
    }
}

/// Tells subscribers what the source says, and hands on what is to be kept.
async fn hear(
    board: &Board,
    mut said: mpsc::Receiver<Said>,
    hand_over: mpsc::Sender<Vec<AgentNow>>,
    has_heard: &watch::Sender<bool>,
) -> Result<()> {
    let mut is_first = true;
    while let Some(word) = said.recv().await {
        has_heard.send_if_modified(|heard| !std::mem::replace(heard, true));
        let facts = board.hear(word, std::mem::take(&mut is_first));
        if !facts.is_empty() && hand_over.send(facts).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// How long to wait before the store is tried again.
const RETRY: Millis = Millis::from_secs(1);
