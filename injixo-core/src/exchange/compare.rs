//! What is new of a day, and what of it cannot be told by single events. Pure.

use std::collections::BTreeMap;

use injixo_model::{Contact, Millis, Quantity, Span, Timestamp};

/// The longest duration that an event may have: 366 days.
const LONGEST: Millis = Millis::from_mins(366 * 24 * 60);

/// Contacts that are to be told, and what is held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ComparedContacts {
    pub(super) new: Vec<Contact>,
    /// Start, what it is, and why.
    pub(super) held: Vec<(Timestamp, &'static str, &'static str)>,
}

/// The contact as an event can tell it, or why it cannot. What has no place in an event (the wait, whether it was abandoned or
/// within the service level) stays untold.
fn told(contact: &Contact) -> Result<Contact, &'static str> {
    let is_flag = |count: Quantity| count == Quantity::ZERO || count == Quantity::ONE;
    if !is_flag(contact.offered) || !is_flag(contact.handled) {
        return Err("an event is offered and handled once or not at all");
    }
    let duration = match contact.duration {
        Some(duration) if (Millis::ZERO..=LONGEST).contains(&duration) => duration,
        Some(_) => return Err("an event lasts up to 366 days"),
        // What an unhandled contact took is no handle time.
        None if contact.handled.is_zero() => Millis::ZERO,
        None => return Err("the handle time is not known, and an event has no word for that"),
    };
    let Contact { start, offered, handled, id, .. } = *contact;
    let duration = Some(duration);
    Ok(Contact { start, offered, handled, duration, wait: None, abandoned: None, within_service_level: None, id })
}

/// Compares the contacts of a day with those that were sent of it. One that begins when one began that was sent and is there no
/// more, or bears its identifier, is that one, changed.
pub(super) fn compare_contacts(now: &[Contact], sent: &[Contact]) -> ComparedContacts {
    let mut held = Vec::new();
    let mut rest = Vec::new();
    let mut gone = sent.to_vec();
    for contact in now {
        match told(contact) {
            Ok(contact) => rest.push(contact),
            Err(why) => {
                // It was sent before it became what cannot be told.
                let before = gone.iter().position(|sent| is_changed(sent, contact));
                let what = if before.map(|index| gone.swap_remove(index)).is_some() { "changed" } else { "contact" };
                held.push((contact.start, what, why));
            }
        }
    }
    let mut without = |is_same: fn(&Contact, &Contact) -> bool| {
        let mut matched = Vec::new();
        rest.retain(|contact| match gone.iter().position(|sent| is_same(sent, contact)) {
            Some(index) => {
                matched.push(gone.swap_remove(index).start);
                false
            }
            None => true,
        });
        matched
    };
    without(|sent, contact| sent == contact);
    without(|sent, contact| Contact { id: contact.id, ..*sent } == *contact);
    const CHANGED: &str = "it was sent otherwise, and an event cannot be changed";
    let mut changed = without(|sent, contact| sent.id.is_some() && sent.id == contact.id);
    changed.extend(without(|sent, contact| sent.start == contact.start));
    held.extend(changed.into_iter().map(|start| (start, "changed", CHANGED)));
    held.extend(gone.iter().map(|contact| (contact.start, "gone", "it was sent, and an event cannot be taken back")));
    held.sort_unstable();
    ComparedContacts { new: rest, held }
}

fn is_changed(sent: &Contact, contact: &Contact) -> bool {
    (sent.id.is_some() && sent.id == contact.id) || sent.start == contact.start
}

/// A status from its start to its end, if it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) start: Timestamp,
    pub(super) status: u32,
    pub(super) end: Option<Timestamp>,
}

/// Statuses that are to be told, and what is held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ComparedStatuses {
    pub(super) new: Vec<Status>,
    pub(super) held: Vec<((Timestamp, u32), &'static str)>,
}

/// Compares the statuses of an agent that start on a day with those that were sent of it. An end that came or changed can be told.
pub(super) fn compare_statuses(now: &[Status], sent: &[Span]) -> ComparedStatuses {
    let mut gone: BTreeMap<(Timestamp, u32), Option<Timestamp>> =
        sent.iter().map(|span| ((span.start, span.status), span.end)).collect();
    let (mut new, mut held) = (Vec::new(), Vec::new());
    for status in now {
        let key = (status.start, status.status);
        match (gone.remove(&key), status.end) {
            (Some(before), end) if before == end => {}
            (Some(_), None) => held.push((key, "it was sent with an end, and an event takes none away")),
            _ => new.push(*status),
        }
    }
    held.extend(gone.into_keys().map(|key| (key, "it was sent, and an event cannot be taken back")));
    held.sort_unstable();
    ComparedStatuses { new, held }
}

#[cfg(test)]
mod tests {
    use injixo_model::ContactId;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn call(start: i64, secs: i64) -> Contact {
        Contact::offered(at(start)).handled(Millis::from_secs(secs))
    }

    fn known(start: i64, secs: i64, id: u64) -> Contact {
        Contact { id: Some(ContactId(id)), ..call(start, secs) }
    }

    fn compared(now: &[Contact], sent: &[Contact]) -> (Vec<Contact>, Vec<(i64, &'static str)>) {
        let ComparedContacts { new, held } = compare_contacts(now, sent);
        (new, held.into_iter().map(|(start, what, _)| (start.millis() / 1_000, what)).collect())
    }

    #[test]
    fn what_is_new_is_told_and_what_is_otherwise_is_held_back() {
        let sent = [call(1, 5), call(2, 5), call(2, 5), call(3, 5)];
        assert_eq!(compared(&sent, &sent), (vec![], vec![]));
        assert_eq!(compared(&[call(1, 5)], &[]), (vec![call(1, 5)], vec![]));
        // A third equal one is new.
        let more = [call(1, 5), call(2, 5), call(2, 5), call(2, 5), call(3, 5)];
        assert_eq!(compared(&more, &sent), (vec![call(2, 5)], vec![]));
        let other = [call(1, 6), call(2, 5), call(3, 5), call(9, 1)];
        assert_eq!(compared(&other, &sent), (vec![call(9, 1)], vec![(1, "changed"), (2, "gone")]));
        assert_eq!(compared(&[], &sent[..2]), (vec![], vec![(1, "gone"), (2, "gone")]));
    }

    #[test]
    fn an_identifier_tells_that_a_contact_only_moved() {
        let sent = [known(1, 5, 7), known(2, 5, 8)];
        assert_eq!(compared(&[known(4, 5, 7), known(2, 5, 8)], &sent), (vec![], vec![(1, "changed")]));
        assert_eq!(compared(&[known(4, 5, 9), known(2, 5, 8)], &sent), (vec![known(4, 5, 9)], vec![(1, "gone")]));
    }

    #[test]
    fn what_an_event_has_no_words_for_is_held_back() {
        let unknown = Contact { duration: None, ..call(1, 0) };
        let double = Contact { offered: Quantity::whole(2), ..call(2, 5) };
        let part = Contact { handled: Quantity::from_micros(500_000), ..call(3, 5) };
        let long = call(4, 366 * 86_400 + 1);
        let held = vec![(1, "contact"), (2, "contact"), (3, "contact"), (4, "contact")];
        assert_eq!(compared(&[unknown, double, part, long], &[]), (vec![], held));
        assert_eq!(compared(&[unknown], &[call(1, 9)]), (vec![], vec![(1, "changed")]));
        // An unhandled contact has no handle time, known or not; a wait has no place in an event.
        let abandoned = Contact::offered(at(5)).answered_after(Millis::from_secs(3));
        let told = Contact { duration: Some(Millis::ZERO), ..Contact::offered(at(5)) };
        assert_eq!(compared(&[abandoned], &[]), (vec![told], vec![]));
        assert_eq!(compared(&[abandoned], &[told]), (vec![], vec![]));
    }

    #[test]
    fn ends_can_be_told_and_nothing_else_about_a_known_status() {
        let status = |start: i64, status: u32, end: Option<i64>| Status { start: at(start), status, end: end.map(at) };
        let span = |start: i64, status: u32, end: Option<i64>| Span { start: at(start), status, end: end.map(at) };
        let sent = [span(1, 1, None), span(2, 1, Some(3)), span(4, 1, Some(5)), span(6, 1, None), span(7, 2, Some(8))];
        let now =
            [status(1, 1, Some(2)), status(2, 1, Some(9)), status(4, 1, None), status(6, 1, None), status(7, 1, None)];
        let ComparedStatuses { new, held } = compare_statuses(&now, &sent);
        assert_eq!(new, [now[0], now[1], now[4]]);
        assert_eq!(held.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [(at(4), 1), (at(7), 2)]);
    }
}
