use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    format!("{text}:00Z").parse().unwrap()
}

fn window(from: &str, to: &str) -> Window {
    Window::new(at(from), at(to)).unwrap()
}

fn mins(minutes: i64) -> Millis {
    Millis::from_mins(minutes)
}

fn covered(from: &str, to: &str, read_at: &str) -> Covered {
    Covered { subject: None, window: window(from, to), read_at: at(read_at) }
}

const DAY: i64 = 1_440;

/// A stream whose situation is described step by step.
#[derive(Clone)]
struct Stream {
    policy: StreamPolicy,
    zone: Zone,
    from: Timestamp,
    since: Timestamp,
    covered: Vec<Covered>,
    waived: Coverage,
    blocked: Coverage,
    asked: Vec<(u64, Window, Timestamp)>,
    busy: Coverage,
    size: Millis,
}

impl Stream {
    /// Imported every quarter of an hour five minutes late since 2024-05-27 08:00, from 2024-05-01 on; nothing looked back to.
    fn new() -> Self {
        let policy = StreamPolicy {
            every: mins(15),
            offset: mins(5),
            late: Millis::ZERO,
            look_backs: Vec::new(),
            longest: mins(31 * DAY),
            keeps: None,
        };
        Self {
            policy,
            zone: Zone::utc(),
            from: at("2024-05-01T00:00"),
            since: at("2024-05-27T08:00"),
            covered: Vec::new(),
            waived: Coverage::new(),
            blocked: Coverage::new(),
            asked: Vec::new(),
            busy: Coverage::new(),
            size: mins(DAY),
        }
    }

    fn read(mut self, from: &str, to: &str, read_at: &str) -> Self {
        self.covered.push(covered(from, to, read_at));
        self.covered.sort_by_key(|held| held.window);
        self
    }

    fn looks_back(mut self, depth: i64, every: i64) -> Self {
        self.policy.look_backs.push(LookBack::new(mins(depth), mins(every)));
        self
    }

    fn situation(&self, now: Timestamp) -> Situation<'_> {
        Situation {
            now,
            policy: &self.policy,
            zone: &self.zone,
            from: self.from,
            since: self.since,
            covered: &self.covered,
            waived: &self.waived,
            blocked: &self.blocked,
            asked: &self.asked,
            busy: &self.busy,
            size: self.size,
            all: OnceCell::new(),
        }
    }

    fn current(&self, now: &str) -> Option<(Why, Window)> {
        self.situation(at(now)).current().task.map(|task| (task.why, task.window))
    }

    fn back_fill(&self, now: &str) -> Option<(Why, Window)> {
        self.situation(at(now)).back_fill().task.map(|task| (task.why, task.window))
    }

    /// Does what is planned, as if every read took no time.
    fn done(&mut self, task: Window, now: Timestamp) {
        let newer = Covered { subject: None, window: task, read_at: now };
        let mut rest = Vec::new();
        for held in &self.covered {
            let left = Window::new(held.window.from(), held.window.to().min(task.from()));
            let right = Window::new(held.window.from().max(task.to()), held.window.to());
            rest.extend([left, right].into_iter().flatten().map(|window| Covered { window, ..*held }));
        }
        rest.push(newer);
        rest.sort_by_key(|held| held.window);
        self.covered = rest;
    }
}

#[test]
fn an_interval_is_due_at_the_reference_time_after_its_end() {
    let stream = Stream::new().read("2024-05-01T00:00", "2024-05-27T09:45", "2024-05-27T09:50");
    assert_eq!(stream.current("2024-05-27T10:04"), None);
    assert_eq!(stream.situation(at("2024-05-27T10:04")).current().next, at("2024-05-27T10:05"));
    assert_eq!(stream.current("2024-05-27T10:05"), Some((Why::Newest, window("2024-05-27T09:45", "2024-05-27T10:00"))));
}

#[test]
fn the_newest_import_comes_before_gaps_and_gaps_newest_first() {
    let mut stream = Stream::new().read("2024-05-27T08:00", "2024-05-27T09:00", "2024-05-27T09:05");
    assert_eq!(stream.current("2024-05-27T12:05"), Some((Why::Newest, window("2024-05-27T11:45", "2024-05-27T12:00"))));
    stream.done(window("2024-05-27T11:45", "2024-05-27T12:00"), at("2024-05-27T12:05"));
    assert_eq!(stream.current("2024-05-27T12:05"), Some((Why::Gap, window("2024-05-27T09:00", "2024-05-27T11:45"))));
    stream.done(window("2024-05-27T10:00", "2024-05-27T10:15"), at("2024-05-27T12:05"));
    assert_eq!(stream.current("2024-05-27T12:05"), Some((Why::Gap, window("2024-05-27T10:15", "2024-05-27T11:45"))));
}

#[test]
fn back_fill_goes_backwards_in_windows_of_its_size_and_ends() {
    let mut stream = Stream::new();
    let now = "2024-05-27T08:05";
    assert_eq!(stream.back_fill(now), Some((Why::BackFill, window("2024-05-26T08:00", "2024-05-27T08:00"))));
    stream.done(window("2024-05-01T06:00", "2024-05-27T08:00"), at(now));
    assert_eq!(stream.back_fill(now), Some((Why::BackFill, window("2024-05-01T00:00", "2024-05-01T06:00"))));
    assert_eq!(stream.situation(at(now)).back_fill_left(), (mins(360), mins(26 * DAY + 480)));
    stream.done(window("2024-05-01T00:00", "2024-05-01T06:00"), at(now));
    assert_eq!(stream.situation(at(now)).back_fill(), Plan { task: None, next: Timestamp::MAX, done: vec![] });
}

#[test]
fn a_source_is_not_asked_for_what_it_does_not_keep() {
    let mut stream = Stream::new();
    stream.policy.keeps = Some(mins(2 * DAY));
    stream.size = mins(31 * DAY);
    assert_eq!(
        stream.back_fill("2024-05-27T08:07"),
        Some((Why::BackFill, window("2024-05-25T08:15", "2024-05-27T08:00")))
    );
}

#[test]
fn reconciliation_reads_the_day_again_every_quarter_of_an_hour() {
    let mut stream = Stream::new().looks_back(DAY, 15).read("2024-05-01T00:00", "2024-05-27T10:00", "2024-05-27T10:05");
    assert_eq!(stream.current("2024-05-27T10:19"), None);
    assert_eq!(stream.current("2024-05-27T10:20").unwrap().0, Why::Newest);
    let newest = window("2024-05-26T10:15", "2024-05-27T10:15");
    assert_eq!(stream.current("2024-05-27T10:20"), Some((Why::Newest, newest)), "joined: one read instead of two");
    stream.done(newest, at("2024-05-27T10:20"));
    assert_eq!(stream.current("2024-05-27T10:34"), None);
}

#[test]
fn a_long_look_back_is_done_once_a_day() {
    let mut stream =
        Stream::new().looks_back(3 * DAY, DAY).read("2024-05-01T00:00", "2024-05-27T23:45", "2024-05-27T23:50");
    stream.done(window("2024-05-27T23:30", "2024-05-27T23:45"), at("2024-05-27T23:51"));
    assert_eq!(stream.current("2024-05-27T23:55"), None);
    stream.done(window("2024-05-27T23:45", "2024-05-28T00:00"), at("2024-05-28T00:05"));
    assert_eq!(
        stream.current("2024-05-28T00:05"),
        Some((Why::LookBack, window("2024-05-25T00:00", "2024-05-27T23:45")))
    );
    stream.done(window("2024-05-25T00:00", "2024-05-27T23:45"), at("2024-05-28T00:06"));
    assert_eq!(stream.current("2024-05-28T00:06"), None);
}

#[test]
fn what_was_read_before_the_source_had_written_all_of_it_is_read_once_more() {
    let mut stream = Stream::new().read("2024-05-01T00:00", "2024-05-27T10:00", "2024-05-27T10:05");
    stream.policy.late = mins(45);
    stream.done(window("2024-05-27T10:00", "2024-05-27T10:15"), at("2024-05-27T10:20"));
    // Provisional at 10:20, as nobody can know yet; the process stood still until 18:00.
    stream.done(window("2024-05-27T10:15", "2024-05-27T18:00"), at("2024-05-27T18:05"));
    assert_eq!(
        stream.current("2024-05-27T18:05"),
        Some((Why::LookBack, window("2024-05-27T09:20", "2024-05-27T10:15")))
    );
    stream.done(window("2024-05-27T09:20", "2024-05-27T10:15"), at("2024-05-27T18:06"));
    assert_eq!(stream.current("2024-05-27T18:06"), None);
}

#[test]
fn a_repeated_hour_is_read_whole_once_it_is_over() {
    let mut stream = Stream::new();
    stream.zone = Zone::new("Europe/Berlin").unwrap();
    stream.from = at("2024-10-26T00:00");
    stream.since = at("2024-10-26T12:00");
    stream.covered = vec![covered("2024-10-26T00:00", "2024-10-27T00:00", "2024-10-27T00:05")];
    for now in ["2024-10-27T00:20", "2024-10-27T01:20", "2024-10-27T02:04"] {
        assert_eq!(stream.current(now), None, "{now}");
    }
    assert_eq!(stream.current("2024-10-27T02:05").unwrap().1, window("2024-10-27T00:00", "2024-10-27T02:00"));
    stream.done(window("2024-10-27T00:00", "2024-10-27T02:00"), at("2024-10-27T02:05"));
    assert_eq!(stream.current("2024-10-27T02:20").unwrap().1, window("2024-10-27T02:00", "2024-10-27T02:15"));
}

#[test]
fn what_is_given_up_is_not_planned_unless_it_is_asked_for() {
    let mut stream = Stream::new().read("2024-05-27T12:00", "2024-05-27T16:00", "2024-05-27T16:05");
    stream.waived.insert(window("2024-05-27T08:00", "2024-05-27T11:00"));
    stream.blocked.insert(window("2024-05-27T11:00", "2024-05-27T11:30"));
    assert_eq!(stream.current("2024-05-27T16:05"), Some((Why::Gap, window("2024-05-27T11:30", "2024-05-27T12:00"))));
    stream.asked.push((7, window("2024-05-27T10:00", "2024-05-27T11:15"), at("2024-05-27T16:05")));
    assert_eq!(stream.current("2024-05-27T16:05"), Some((Why::Asked, window("2024-05-27T10:00", "2024-05-27T11:00"))));
    stream.done(window("2024-05-27T10:00", "2024-05-27T11:00"), at("2024-05-27T16:06"));
    assert_eq!(stream.situation(at("2024-05-27T16:06")).current().done, [7], "what is blocked cannot be had");
}

#[test]
fn a_request_is_met_by_what_was_read_since_it_was_made() {
    let mut stream = Stream::new().read("2024-05-01T00:00", "2024-05-27T10:00", "2024-05-27T10:05");
    stream.asked.push((1, window("2024-05-27T09:00", "2024-05-27T10:15"), at("2024-05-27T10:06")));
    // Nothing is waited for that is over: not even for the reference time.
    assert_eq!(stream.current("2024-05-27T10:16"), Some((Why::Asked, window("2024-05-27T09:00", "2024-05-27T10:15"))));
    stream.done(window("2024-05-27T09:00", "2024-05-27T10:15"), at("2024-05-27T10:16"));
    assert_eq!(
        stream.situation(at("2024-05-27T10:17")).current(),
        Plan { task: None, next: at("2024-05-27T10:20"), done: vec![1] }
    );
    // Longer ones are back-filled.
    stream.asked = vec![(2, window("2024-05-03T00:00", "2024-05-27T10:15"), at("2024-05-27T10:17"))];
    assert_eq!(stream.current("2024-05-27T10:17"), None);
    assert_eq!(stream.back_fill("2024-05-27T10:17").unwrap().0, Why::Asked);
}

#[test]
fn lanes_of_one_stream_never_read_the_same() {
    let mut stream = Stream::new().looks_back(DAY, 15);
    stream.busy.insert(window("2024-05-26T08:00", "2024-05-27T08:00"));
    stream.covered.push(covered("2024-05-26T00:00", "2024-05-27T08:00", "2024-05-27T08:00"));
    let read = stream.current("2024-05-27T08:20").unwrap();
    assert_eq!(read, (Why::Newest, window("2024-05-27T08:00", "2024-05-27T08:15")));
    assert_eq!(stream.back_fill("2024-05-27T08:20").unwrap().1, window("2024-05-25T00:00", "2024-05-26T00:00"));
}

#[test]
fn windows_are_halved_on_the_grid_while_that_is_possible() {
    let zone = Zone::utc();
    let (a, b) = halves(window("2024-05-27T08:00", "2024-05-27T09:00"), mins(1), &zone).unwrap();
    assert_eq!(
        (a, b),
        (window("2024-05-27T08:00", "2024-05-27T08:30"), window("2024-05-27T08:30", "2024-05-27T09:00"))
    );
    let (a, b) = halves(window("2024-05-27T08:00", "2024-05-27T08:15"), mins(1), &zone).unwrap();
    assert_eq!(a.to().to_string(), "2024-05-27T08:07:30Z");
    assert_eq!((a.from(), a.to(), b.to()), (at("2024-05-27T08:00"), b.from(), at("2024-05-27T08:15")));
    assert_eq!(halves(window("2024-05-27T08:00", "2024-05-27T08:15"), mins(8), &zone), None);
    // 00:00 to 02:00 is the repeated hour, both times.
    let berlin = Zone::new("Europe/Berlin").unwrap();
    let (a, b) = halves(window("2024-10-26T23:00", "2024-10-27T03:00"), mins(1), &berlin).unwrap();
    assert_eq!(
        (a, b),
        (window("2024-10-26T23:00", "2024-10-27T02:00"), window("2024-10-27T02:00", "2024-10-27T03:00"))
    );
    // What ends with the repeated hour is cut before it.
    let (a, b) = halves(window("2024-10-26T23:00", "2024-10-27T02:00"), mins(1), &berlin).unwrap();
    assert_eq!((a.to(), b.from(), b.to()), (at("2024-10-27T00:00"), at("2024-10-27T00:00"), at("2024-10-27T02:00")));
    assert!(halves(window("2024-10-27T00:00", "2024-10-27T02:00"), mins(1), &berlin).is_some());
    // On the grid the first part would be too short.
    let (a, _) = halves(window("2024-05-27T07:59", "2024-05-27T08:22"), mins(8), &zone).unwrap();
    assert_eq!(a.to().to_string(), "2024-05-27T08:10:30Z");
}

#[test]
fn a_piece_is_not_longer_than_asked_at_a_change_of_the_clock() {
    let berlin = Zone::new("Europe/Berlin").unwrap();
    let whole = window("2024-10-20T00:00", "2024-10-28T01:00");
    let day = mins(DAY);
    // 24 hours back lies in the repeated hour, 00:00 to 02:00: it stays whole in the next piece.
    let last = last_piece(whole, day, &berlin);
    assert_eq!(last, window("2024-10-27T02:00", "2024-10-28T01:00"));
    let next = last_piece(Window::new(whole.from(), last.from()).unwrap(), day, &berlin);
    assert_eq!(next, window("2024-10-26T02:00", "2024-10-27T02:00"));
    // It is longer than what was asked for.
    let repeated = window("2024-10-27T00:00", "2024-10-27T02:00");
    assert_eq!(last_piece(repeated, mins(60), &berlin), repeated);
    // Less than a quarter of an hour, on its own grid.
    let short = last_piece(window("2024-05-27T08:00", "2024-05-27T09:00"), mins(5), &berlin);
    assert_eq!(short, window("2024-05-27T08:55", "2024-05-27T09:00"));
}

#[test]
fn requests_of_more_than_two_days_are_back_filled() {
    let whole = Stream::new().read("2024-05-01T00:00", "2024-05-27T10:00", "2024-05-27T10:05");
    let asked = |from: &str, to: &str| {
        let mut stream = whole.clone();
        stream.asked = vec![(1, window(from, to), at("2024-05-27T10:06"))];
        (stream.current("2024-05-27T10:07"), stream.back_fill("2024-05-27T10:07"))
    };
    let two_days = window("2024-05-10T00:00", "2024-05-12T00:00");
    assert_eq!(asked("2024-05-10T00:00", "2024-05-12T00:00"), (Some((Why::Asked, two_days)), None));
    let longer = window("2024-05-10T00:00", "2024-05-12T00:15");
    assert_eq!(asked("2024-05-10T00:00", "2024-05-12T00:15"), (None, Some((Why::Asked, longer))));
}

#[test]
fn back_filling_is_looked_at_again_while_something_is_left() {
    let now = at("2024-05-27T10:07");
    let soon = at("2024-05-27T10:22");
    let next = |stream: &Stream| (stream.situation(now).back_fill().task, stream.situation(now).back_fill().next);
    let mut stream = Stream::new().read("2024-05-01T00:00", "2024-05-27T10:00", "2024-05-27T10:05");
    assert_eq!(next(&stream), (None, Timestamp::MAX));
    // What is asked for is being read by the other lane, or cannot be read.
    stream.asked = vec![(1, window("2024-05-10T00:00", "2024-05-20T00:00"), now)];
    stream.busy = Coverage::from_iter([window("2024-05-01T00:00", "2024-05-27T10:00")]);
    assert_eq!(next(&stream), (None, soon));
    let mut stream = Stream::new().read("2024-05-02T00:00", "2024-05-27T10:00", "2024-05-27T10:05");
    stream.busy = Coverage::from_iter([window("2024-05-01T00:00", "2024-05-02T00:00")]);
    assert_eq!(next(&stream), (None, soon));
}

#[test]
fn gaps_are_what_was_missed_since_it_began() {
    let stream = Stream::new().read("2024-05-27T07:00", "2024-05-27T08:30", "2024-05-27T08:35").read(
        "2024-05-27T09:00",
        "2024-05-27T10:00",
        "2024-05-27T10:05",
    );
    let gaps = stream.situation(at("2024-05-27T10:07")).gaps();
    assert_eq!(gaps.windows(), [window("2024-05-27T08:30", "2024-05-27T09:00")]);
}

#[test]
fn old_settled_coverage_needs_few_stretches() {
    let old = [
        covered("2024-05-27T08:00", "2024-05-27T08:15", "2024-05-27T09:20"),
        covered("2024-05-27T08:15", "2024-05-27T08:30", "2024-05-27T09:35"),
        covered("2024-05-27T08:30", "2024-05-27T08:45", "2024-05-27T08:50"),
        covered("2024-05-27T09:00", "2024-05-27T09:15", "2024-05-27T10:20"),
        covered("2024-05-27T09:15", "2024-05-27T09:30", "2024-05-27T10:35"),
    ];
    let fewer = compacted(&old, mins(60), at("2024-05-27T09:15"));
    let expected = [covered("2024-05-27T08:00", "2024-05-27T08:30", "2024-05-27T09:35"), old[2], old[3], old[4]];
    assert_eq!(fewer, expected, "neither what is provisional nor what is new, nor across a gap");
    // Of two that are joined the later read counts, whichever it was.
    let read_again = [covered("2024-05-27T08:00", "2024-05-27T08:15", "2024-05-28T00:00"), old[1]];
    let joined = [covered("2024-05-27T08:00", "2024-05-27T08:30", "2024-05-28T00:00")];
    assert_eq!(compacted(&read_again, mins(60), at("2024-05-27T09:15")), joined);
}

fn any_pieces() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0..400_i64, 1..40_i64), 0..5)
}

proptest! {
    /// Whatever was covered, given up or busy: doing what is planned ends, leaves nothing undone and touches nothing else.
    #[test]
    fn doing_what_is_planned_leaves_nothing_undone(
        held in any_pieces(),
        waived in any_pieces(),
        blocked in any_pieces(),
        busy in any_pieces(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        (every, late, size, since) in (prop::sample::select(vec![15_i64, 30, 60]), 0..3_i64, 1..200_i64, 0..350_i64),
    ) {
        // Quarters around the night of the clock change.
        let begin = at("2024-10-25T00:00");
        let quarters = |&(from, length): &(i64, i64)| {
            let zone = Zone::new(zone).unwrap();
            zone.widen(Window::new(begin.after(mins(15 * from)), begin.after(mins(15 * (from + length)))).unwrap())
        };
        let now = begin.after(mins(15 * 450));
        let mut stream = Stream::new().looks_back(DAY, 60);
        stream.zone = Zone::new(zone).unwrap();
        stream.policy.every = mins(every);
        stream.policy.late = mins(40 * late);
        stream.size = mins(15 * size);
        stream.from = begin;
        stream.since = floor(begin.after(mins(15 * since)), mins(every));
        for piece in &held {
            stream.done(quarters(piece), begin.after(mins(15 * (piece.0 + piece.1) + 5)));
        }
        stream.waived.extend(waived.iter().map(quarters));
        stream.blocked.extend(blocked.iter().map(quarters));
        stream.busy.extend(busy.iter().map(quarters));
        let mut steps = 0;
        loop {
            let plans = [stream.situation(now).current(), stream.situation(now).back_fill()];
            let Some(task) = plans.into_iter().find_map(|plan| plan.task) else { break };
            prop_assert!(stream.busy.within(task.window).is_empty(), "{:?} is busy", task);
            prop_assert_eq!(task.window, stream.zone.widen(task.window));
            prop_assert!(task.window.to() <= now);
            stream.done(task.window, now);
            steps += 1;
            prop_assert!(steps < 2_000, "planning never ends");
        }
        let edge = stream.situation(now).edge();
        let covered: Coverage = stream.covered.iter().map(|held| held.window).collect();
        let wanted = Window::new(stream.from, edge).unwrap();
        let left = covered.gaps(wanted).difference(&stream.waived).difference(&stream.blocked).difference(&stream.busy);
        prop_assert!(left.is_empty(), "left undone: {:?}", left);
        // What may have changed since was read again.
        for held in &stream.covered {
            let late = stream.policy.late;
            let provisional = Window::new(held.read_at.before(late), edge.before(late)).ok();
            let provisional: Coverage = provisional.and_then(|late| late.intersection(held.window)).into_iter().collect();
            let rest = provisional.difference(&stream.blocked).difference(&stream.busy).difference(&stream.waived);
            prop_assert!(rest.is_empty(), "{:?} of {:?} is provisional", rest, held);
        }
    }
}
