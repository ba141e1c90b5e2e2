//! What is remembered of one piece of work between its runs.

use std::collections::BTreeMap;

use injixo_model::{Coverage, Millis, Timestamp};
use serde::{Deserialize, Serialize};

use crate::connector::Limits;
use crate::connector::{Connector, Stream};
use crate::error::{Error, ErrorKind};
use crate::plan::{LookBack, Policy, QUARTER, StreamPolicy, Why, ceil};
use crate::store::{IntegrationRecord, Lane, WorkRecord};

/// The health of one lane, and what it has learnt of its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LaneState {
    /// How often it failed since it last succeeded.
    pub(crate) failures: u32,
    /// The last error, until something succeeds.
    pub(crate) error: Option<LaneError>,
    /// Whether nothing is tried until somebody changes something.
    pub(crate) is_blocked: bool,
    /// The longest window that the source was lately able to answer, in milliseconds.
    pub(crate) size: Option<i64>,
    /// When something was last imported, or found to be up to date.
    pub(crate) succeeded_at: Option<i64>,
    /// What is waited for, if it is no error.
    pub(crate) waits_for: Option<String>,
    /// When the back-fill began, and how many milliseconds of it were left then.
    pub(crate) fill_began: Option<(i64, i64)>,
    /// What the source said that it does not hold yet, since it was last let rest: more turns may pass until all else is read.
    #[serde(with = "windows")]
    pub(crate) not_yet: Coverage,
    /// Whether the source was asked in this turn what changed.
    #[serde(skip)]
    pub(crate) was_asked: bool,
    /// Deliveries that could not be imported, by key, with the settings under which they were tried and the error.
    pub(crate) failed: BTreeMap<String, (String, String)>,
}

/// An error as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneError {
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// Windows as pairs of milliseconds.
mod windows {
    use injixo_model::{Coverage, Timestamp, Window};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(coverage: &Coverage, serializer: S) -> Result<S::Ok, S::Error> {
        let pair = |window: &Window| (window.from().millis(), window.to().millis());
        coverage.windows().iter().map(pair).collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Coverage, D::Error> {
        let pairs = Vec::<(i64, i64)>::deserialize(deserializer)?;
        let window = |(from, to)| Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).ok();
        Ok(pairs.into_iter().filter_map(window).collect())
    }
}

/// What a failed lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    At(Timestamp),
    /// Nothing, until somebody changes something.
    Blocked,
}

const FIRST_PAUSE: i64 = 15_000;
const LONGEST_PAUSE: i64 = 15 * 60_000;
/// A system that asks to be left alone for longer is asked again after that.
pub(crate) const LONGEST_WAIT: i64 = 24 * 3_600_000;

impl LaneState {
    pub(crate) fn of(work: &WorkRecord) -> Self {
        serde_json::from_str(&work.state).unwrap_or_default()
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn succeeded(&mut self, now: Timestamp) {
        self.failures = 0;
        self.error = None;
        self.is_blocked = false;
        self.waits_for = None;
        self.succeeded_at = Some(now.millis());
    }

    /// Remembers an error and says when to try again: later each time, and not at the same time as others.
    pub(crate) fn failed(&mut self, error: &Error, work: &WorkRecord, now: Timestamp) -> Next {
        self.failures = self.failures.saturating_add(1);
        self.waits_for = None;
        self.error = Some(LaneError { at: now.millis(), kind: error.kind().to_string(), message: error.to_string() });
        if !error.is_retryable() && needs_somebody(error.kind()) {
            self.is_blocked = true;
            return Next::Blocked;
        }
        let pause = (FIRST_PAUSE << (self.failures - 1).min(10)).min(LONGEST_PAUSE);
        let asked = error.retry_after().map_or(0, |after| Millis::from(after).get());
        let spread = pause / 4;
        let jitter = scatter(work) % (2 * spread + 1).unsigned_abs();
        let pause = pause - spread + i64::try_from(jitter).unwrap_or(0);
        Next::At(now.after(Millis::new(pause.max(asked).min(LONGEST_WAIT))))
    }
}

/// Whether trying again is of no use until somebody corrects something.
fn needs_somebody(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConfigInvalid
            | ErrorKind::Unauthenticated
            | ErrorKind::PermissionDenied
            | ErrorKind::NotFound
            | ErrorKind::Unsupported
    )
}

/// A number that differs between pieces of work and from try to try, and is the same when all of it happens again.
fn scatter(work: &WorkRecord) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in [u64::from(work.integration), work.lane as u64, work.fence] {
        for byte in part.to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash ^ (hash >> 29)
}

/// The kinds of work that a connector gives.
pub(crate) fn lanes_of(connector: &dyn Connector) -> Vec<Lane> {
    let mut lanes = Vec::new();
    if connector.live().is_some() {
        lanes.push(Lane::Live);
    }
    if connector.deliveries().is_some() {
        lanes.push(Lane::Deliveries);
    }
    if connector.contacts().is_some() {
        lanes.extend([Lane::Contacts, Lane::ContactsBackfill]);
    }
    if connector.statuses().is_some() {
        lanes.extend([Lane::Statuses, Lane::StatusesBackfill]);
    }
    lanes
}

/// The stream that a lane of windows reads.
pub(crate) fn stream_of(lane: Lane) -> Stream {
    match lane {
        Lane::Statuses | Lane::StatusesBackfill | Lane::Live => Stream::Statuses,
        Lane::Contacts | Lane::ContactsBackfill | Lane::Deliveries => Stream::Contacts,
    }
}

pub(crate) fn is_back_fill(lane: Lane) -> bool {
    matches!(lane, Lane::ContactsBackfill | Lane::StatusesBackfill)
}

/// How an integration is run.
pub(crate) fn policy_of(record: &IntegrationRecord) -> Policy {
    serde_json::from_str(&record.policy).unwrap_or_default()
}

const DAY: Millis = Millis::from_mins(1_440);

/// How one stream of an integration is imported.
pub(crate) fn stream_policy(policy: &Policy, limits: &Limits, stream: Stream) -> StreamPolicy {
    let late = policy.late.unwrap_or(limits.writes_late);
    let every = policy.every;
    let with_each = |depth: Millis| LookBack::new(depth, QUARTER.min(every));
    let look_backs = match stream {
        Stream::Contacts => policy.contacts.clone().unwrap_or_else(|| {
            let short = with_each(ceil(Timestamp::from_millis(late.get()), QUARTER).since(Timestamp::MIN).plus(every));
            let long = LookBack::new(Millis::new(3 * DAY.get()), DAY);
            if late > Millis::ZERO { vec![short, long] } else { vec![long] }
        }),
        Stream::Statuses => match &policy.statuses {
            None => vec![LookBack::new(DAY, QUARTER)],
            Some(look_backs) if look_backs.is_empty() => vec![with_each(Millis::new(2 * every.get()))],
            Some(look_backs) => look_backs.clone(),
        },
    };
    let longest = limits.longest_window.unwrap_or(policy.longest_window).min(policy.longest_window);
    StreamPolicy { every, offset: policy.reference_time, late, look_backs, longest, keeps: limits.keeps }
}

/// From when on data of an integration is wanted, and since when it is imported (what lies before is back-filled).
pub(crate) fn begin_of(record: &IntegrationRecord, policy: &Policy) -> (Timestamp, Timestamp) {
    let since = crate::plan::floor(record.added_at.before(policy.reference_time), policy.every).before(policy.every);
    (ceil(record.added_at.before(policy.back_fill), QUARTER).min(since), since)
}

/// What a window is read for, as people say it.
pub(crate) fn why_text(why: Why) -> &'static str {
    match why {
        Why::Newest => "newest",
        Why::Asked => "asked",
        Why::Gap => "gap",
        Why::LookBack => "look-back",
        Why::BackFill => "back-fill",
    }
}
