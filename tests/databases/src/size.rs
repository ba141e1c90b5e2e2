//! How large a world is, and the words of which its names are made.

/// How much happens in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// How many days, at least one.
    pub days: u32,
    /// An instant of the first day, in seconds since 1970; days are those of UTC.
    pub first_day: i64,
    /// How many queues, at least one.
    pub queues: usize,
    /// How many agents, at least one.
    pub agents: usize,
    /// How many customers come on each day; some pass through several queues.
    pub contacts_per_day: u64,
}

impl Default for Size {
    /// Three days from 1 March 2024 on.
    fn default() -> Self {
        Self { days: 3, first_day: 1_709_251_200, queues: 8, agents: 12, contacts_per_day: 300 }
    }
}

impl Size {
    pub(crate) fn check(self) -> Self {
        assert!(
            self.days > 0 && self.queues > 0 && self.agents > 0,
            "there is no world without days, queues and agents"
        );
        Self { first_day: self.first_day - self.first_day.rem_euclid(86_400), ..self }
    }
}

pub(crate) const SUBJECTS: [&str; 8] =
    ["Rechnung", "Technik", "Störung", "Verträge", "Kündigung", "Rückruf", "Beschwerde", "Größe & Maß"];

const FIRST: [(&str, &str); 10] = [
    ("Anna", "a"),
    ("Björn", "b"),
    ("Cem", "c"),
    ("Dörte", "d"),
    ("Émile", "e"),
    ("Fatma", "f"),
    ("Günther", "g"),
    ("Hanna", "h"),
    ("Inés", "i"),
    ("Jürgen", "j"),
];

const LAST: [(&str, &str); 9] = [
    ("Müller", "mueller"),
    ("Schröder", "schroeder"),
    ("Groß", "gross"),
    ("Jäger", "jaeger"),
    ("O'Neill", "oneill"),
    ("Öztürk", "oeztuerk"),
    ("Smith", "smith"),
    ("van der Berg", "vdberg"),
    ("Weiß", "weiss"),
];

/// First name, last name and a user name of plain letters; the number keeps it apart from others.
pub(crate) fn person(number: usize) -> (&'static str, &'static str, String) {
    let (first, initial) = FIRST[number % FIRST.len()];
    let (last, plain) = LAST[number % LAST.len()];
    (first, last, format!("{initial}{plain}{number}"))
}

/// What a queue is for; the number keeps it apart from others.
pub(crate) fn subject(number: usize) -> String {
    match number / SUBJECTS.len() {
        0 => SUBJECTS[number].to_owned(),
        round => format!("{} {}", SUBJECTS[number % SUBJECTS.len()], round + 1),
    }
}
