//! The condition by which a query is cut to a window, in the type of its time column.
//!
//! A condition may let more rows through than the window holds (near a change of the clock, and where times are texts), never
//! fewer: rows are sorted out once their times are known.

use injixo_core::model::{Millis, Timestamp, Window};
use injixo_core::zone::{LocalTime, Zone};

use crate::driver::Kind;
use crate::value::TextStyle;

/// One edge of a window, in the type of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Edge {
    /// By the wall clock.
    Local(LocalTime),
    /// An instant.
    Instant(Timestamp),
    /// Seconds since 1970; rounded outwards.
    Secs(i64),
    /// By the wall clock, as text.
    Text(String),
}

/// How the times of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// By what the wall clock shows.
    Local,
    /// As instants.
    Instant,
    /// As seconds since 1970.
    Secs,
    /// As texts.
    Text(TextStyle),
}

impl Scale {
    /// How a column of that kind is compared; texts as `style` says.
    #[must_use]
    pub fn of(kind: Kind, style: Option<TextStyle>) -> Option<Self> {
        match kind {
            Kind::Local => Some(Self::Local),
            Kind::Instant => Some(Self::Instant),
            Kind::Int | Kind::Decimal | Kind::Float => Some(Self::Secs),
            Kind::Text => style.map(Self::Text),
            Kind::Bool | Kind::Length | Kind::Other => None,
        }
    }

    /// The edges between which all rows of a window lie: from the first, to before the second.
    #[must_use]
    pub fn edges(self, window: Window, zone: &Zone) -> (Edge, Edge) {
        let (from, to) = (window.from(), window.to());
        match self {
            Self::Instant => (Edge::Instant(from), Edge::Instant(to)),
            Self::Secs => {
                let (first, last) = (from.millis().div_euclid(1_000), -((-to.millis()).div_euclid(1_000)));
                (Edge::Secs(first), Edge::Secs(last))
            }
            Self::Local => {
                let (first, last) = local_edges(window, zone);
                (Edge::Local(first), Edge::Local(last))
            }
            Self::Text(style) => {
                let (first, last) = if style.has_offset {
                    // Every row may have an offset of its own.
                    (LocalTime::from_millis(from.millis() - WIDEST), LocalTime::from_millis(to.millis() + WIDEST))
                } else {
                    local_edges(window, zone)
                };
                // A text without seconds or with a fraction lies within a minute of the one that is written here.
                let text = |local: LocalTime, by: i64| {
                    let local = LocalTime::from_millis(local.millis() + by).to_string();
                    Edge::Text(local[..19].replace('T', &style.separator.to_string()))
                };
                (text(first, -60_000), text(last, 60_000))
            }
        }
    }
}

/// No zone is further from UTC.
const WIDEST: i64 = 26 * 3_600_000;

/// What the wall clock shows from the first to the last instant of a window. Near a change of the clock both readings of a time,
/// and the times that it skips, belong to it.
fn local_edges(window: Window, zone: &Zone) -> (LocalTime, LocalTime) {
    let (from, to) = (window.from(), window.to());
    let offset = |at: Timestamp| zone.to_local(at).millis() - at.millis();
    let day = Millis::new(WIDEST);
    let near = [offset(from.before(day)), offset(from), offset(to), offset(to.after(day))];
    let (least, most) = near.iter().fold((i64::MAX, i64::MIN), |(least, most), at| (least.min(*at), most.max(*at)));
    if least == most {
        return (LocalTime::from_millis(from.millis() + least), LocalTime::from_millis(to.millis() + least));
    }
    let shift = most - least;
    (LocalTime::from_millis(from.millis() + least - shift), LocalTime::from_millis(to.millis() + most + shift))
}

#[cfg(test)]
mod tests {
    use injixo_core::zone::{FoldPolicy, GapPolicy, Resolver};
    use proptest::prelude::*;

    use super::*;

    fn window(from: &str, to: &str) -> Window {
        Window::new(from.parse::<Timestamp>().unwrap(), to.parse::<Timestamp>().unwrap()).unwrap()
    }

    #[test]
    fn far_from_a_change_the_edges_are_exact() {
        let berlin = Zone::new("Europe/Berlin").unwrap();
        let (from, to) = local_edges(window("2024-06-01T08:00:00Z", "2024-06-01T09:00:00Z"), &berlin);
        assert_eq!(
            (from.to_string().as_str(), to.to_string().as_str()),
            ("2024-06-01T10:00:00", "2024-06-01T11:00:00")
        );
        let edges = Scale::Secs.edges(window("2024-06-01T08:00:00.500Z", "2024-06-01T09:00:00.500Z"), &berlin);
        assert_eq!(edges, (Edge::Secs(1_717_228_800), Edge::Secs(1_717_232_401)));
    }

    proptest! {
        /// Every local time that is read as an instant of the window lies between the edges, by every policy.
        #[test]
        fn no_row_of_the_window_is_left_out(
            zone in prop::sample::select(vec!["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]),
            change in prop::sample::select(vec![1_711_846_800_i64, 1_729_990_800, 1_710_037_800, 1_325_239_200]),
            from in -100_000_i64..100_000,
            length in 1_i64..200_000,
            row in -300_000_i64..300_000,
            fold in prop::sample::select(vec![FoldPolicy::Auto, FoldPolicy::Later]),
        ) {
            let zone = Zone::new(zone).unwrap();
            let at = |secs: i64| Timestamp::from_secs(change + secs);
            let window = Window::new(at(from), at(from + length)).unwrap();
            let local = LocalTime::from_millis((change + row) * 1_000);
            let read = Resolver::new(&zone, GapPolicy::Forward, fold).instant(local).unwrap();
            let (first, last) = local_edges(window, &zone);
            prop_assert!(!window.contains(read) || (first <= local && local < last), "{local} {first} {last}");
        }
    }
}
