//! Rows that are written plainly, straight from the bytes of a block.
//!
//! A plain row has as many fields as the header, quotes at most around a whole field, and nothing to complain of. Its fields are read
//! one after another; where a format has a known width, its end is not even searched for. Whatever is not plain, or not whole in the
//! block, is left to the general way, which says of every plain row the same: what this module does not know for certain it does not
//! answer, and nothing that outlasts the row is changed before all of it is known.

use injixo_core::model::{Channel, Millis, Quantity};

use crate::datetime::{LastSeen, Moment, Parsed, Role};
use crate::fixed::{Fixed, digits, eight, find};
use crate::names::Names;
use crate::plan::{ChannelPlan, Column, CountPlan, DurationPlan, Kind, MomentPlan, Plan};
use crate::value::{self, DurationFormat, MAX_DURATION};

/// How the plain rows of a file are read.
#[derive(Debug)]
pub(crate) struct Plain {
    /// What each column of the file is.
    fields: Box<[Use]>,
    syntax: Syntax,
    /// The row that was read last; what is the same in all rows stands there from the beginning.
    values: Values,
}

/// How fields end.
#[derive(Debug)]
struct Syntax {
    separator: u8,
    line_end: u8,
    /// Both, eight times.
    ends: (u64, u64),
    channels: Names<Channel>,
}

/// What a column of the file is.
#[derive(Debug)]
enum Use {
    Nothing,
    Name,
    Activity,
    Moment(Which, Box<MomentRead>),
    Offered,
    Handled,
    Duration(Box<DurationRead>),
    Channel,
}

/// Whose date or time a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Start,
    End,
}

#[derive(Debug)]
struct MomentRead {
    role: Role,
    fixed: Vec<Fixed>,
    all: LastSeen,
}

#[derive(Debug)]
struct DurationRead {
    unit_of_digits: Option<u64>,
    clock: Vec<Fixed>,
    formats: Vec<DurationFormat>,
}

/// The names that rows were seen to hold.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Of queues or agents.
    pub(crate) names: Names<u32>,
    pub(crate) activities: Names<u32>,
}

/// The fields of a plain row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values {
    /// What stands for the name of the queue or the agent.
    pub(crate) name: u32,
    /// What stands for the activity.
    pub(crate) activity: u32,
    start: Parsed,
    end: Parsed,
    has_end: bool,
    pub(crate) offered: Quantity,
    pub(crate) handled: Quantity,
    pub(crate) duration: Option<Millis>,
    pub(crate) channel: Channel,
}

const NOTHING: Parsed = Parsed { date: None, time: None, offset: None };

impl Values {
    /// When it started.
    #[inline]
    pub(crate) fn start(&self) -> Option<Moment> {
        self.start.moment().ok()
    }

    /// When it ended: `Some(None)` where nothing says so, `None` where it cannot be said.
    #[inline]
    pub(crate) fn end(&self) -> Option<Option<Moment>> {
        if self.has_end { self.end.moment().ok().map(Some) } else { Some(None) }
    }
}

/// A field that is being read: where its text begins and ends, and what comes behind it.
struct Field {
    from: usize,
    to: usize,
    next: usize,
}

impl Plain {
    /// How to read plain rows by that plan; `None` where the plan, or how the file is split, asks for more than plain rows give.
    pub(crate) fn new(plan: &Plan, columns: usize, separator: &[u8], line_end: u8) -> Option<Self> {
        let &[separator] = separator else { return None };
        if separator.is_ascii_alphanumeric()
            || matches!(separator, b'"' | b'\n' | b'\r' | 0 | b' ' | b'+' | b'-' | b'.')
        {
            return None;
        }
        let mut maker = Maker { separator, fields: (0..columns).map(|_| Use::Nothing).collect() };
        let values = maker.all(plan)?;
        let mut channels = Names::default();
        Channel::ALL.into_iter().for_each(|channel| channels.insert(channel.as_str().as_bytes(), channel));
        let syntax = Syntax { separator, line_end, ends: (eight(separator), eight(line_end)), channels };
        Some(Self { fields: maker.fields.into(), syntax, values })
    }

    /// The row at the beginning of `bytes` with its length, line end included; `None` where it is none, or not whole there.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &[u8], known: &Known) -> Option<(&Values, usize)> {
        let mut at = 0;
        let (last, others) = self.fields.split_last_mut()?;
        for field in others {
            at = self.syntax.field(field, bytes, at, false, known, &mut self.values)?;
        }
        at = self.syntax.field(last, bytes, at, true, known, &mut self.values)?;
        Some((&self.values, at))
    }
}

impl Syntax {
    /// Reads the field at `at`; where the next one begins.
    #[inline(always)]
    fn field(
        &self,
        field: &mut Use,
        bytes: &[u8],
        at: usize,
        is_last: bool,
        known: &Known,
        values: &mut Values,
    ) -> Option<usize> {
        match field {
            Use::Nothing => {
                let text = self.text(bytes, at, is_last)?;
                memchr::memchr(0, &bytes[text.from..text.to]).is_none().then_some(text.next)
            }
            Use::Name => {
                let (name, next) = self.name(&known.names, bytes, at, is_last)?;
                values.name = name;
                Some(next)
            }
            Use::Activity => {
                let (activity, next) = self.name(&known.activities, bytes, at, is_last)?;
                values.activity = activity;
                Some(next)
            }
            Use::Moment(which, read) => {
                let parsed = if *which == Which::Start { &mut values.start } else { &mut values.end };
                if let Some(fixed) = read.fixed.first_mut()
                    && fixed.read(bytes, at, parsed).is_some()
                    && let Some(next) = self.behind(bytes, at + fixed.width(), is_last)
                {
                    values.has_end |= *which == Which::End;
                    return Some(next);
                }
                let (is_there, next) = self.moment(read, bytes, at, is_last, parsed)?;
                match which {
                    Which::Start if !is_there => return None,
                    // A row without an end is plain; not so a date without a time, or a time without a date.
                    Which::End if !is_there && read.role != Role::Timestamp => return None,
                    Which::Start => {}
                    Which::End => values.has_end = is_there,
                }
                Some(next)
            }
            Use::Offered => {
                let (count, next) = self.count(bytes, at, is_last)?;
                values.offered = count;
                Some(next)
            }
            Use::Handled => {
                let (count, next) = self.count(bytes, at, is_last)?;
                values.handled = count;
                Some(next)
            }
            Use::Duration(read) => {
                let (duration, next) = self.duration(read, bytes, at, is_last)?;
                values.duration = duration;
                Some(next)
            }
            Use::Channel => {
                let (channel, next) = self.name(&self.channels, bytes, at, is_last)?;
                values.channel = channel;
                Some(next)
            }
        }
    }

    /// What stands for a name that is known.
    #[inline]
    fn name<V: Copy>(&self, names: &Names<V>, bytes: &[u8], at: usize, is_last: bool) -> Option<(V, usize)> {
        if *bytes.get(at)? != b'"' {
            let stop = if is_last { b'\r' } else { self.separator };
            let (name, end) = names.read(bytes, at, stop, self.line_end)?;
            return Some((name, self.behind(bytes, end, is_last)?));
        }
        let text = self.text(bytes, at, is_last)?;
        Some((names.get(&bytes[text.from..text.to])?, text.next))
    }

    /// The text of a field, without quotes around it.
    #[inline]
    fn text(&self, bytes: &[u8], at: usize, is_last: bool) -> Option<Field> {
        if *bytes.get(at)? == b'"' {
            let to = find(bytes, at + 1, eight(b'"'), self.ends.1)?;
            let next = if bytes[to] == b'"' { self.behind(bytes, to + 1, is_last)? } else { return None };
            return Some(Field { from: at + 1, to, next });
        }
        let end = find(bytes, at, self.ends.0, self.ends.1)?;
        if !is_last {
            return (bytes[end] == self.separator).then_some(Field { from: at, to: end, next: end + 1 });
        }
        let has_return = self.line_end == b'\n' && end > at && bytes[end - 1] == b'\r';
        let field = Field { from: at, to: end - usize::from(has_return), next: end + 1 };
        (bytes[end] == self.line_end).then_some(field)
    }

    /// Where the field behind one that ends at `at` begins, or the next row.
    #[inline]
    fn behind(&self, bytes: &[u8], at: usize, is_last: bool) -> Option<usize> {
        let byte = *bytes.get(at)?;
        if !is_last {
            return (byte == self.separator).then_some(at + 1);
        }
        if byte == self.line_end {
            return Some(at + 1);
        }
        let is_return = byte == b'\r' && self.line_end == b'\n' && bytes.get(at + 1) == Some(&b'\n');
        is_return.then_some(at + 2)
    }

    /// The same behind a value that may stand in quotes.
    #[inline]
    fn behind_value(&self, bytes: &[u8], at: usize, is_quoted: bool, is_last: bool) -> Option<usize> {
        if is_quoted && *bytes.get(at)? != b'"' {
            return None;
        }
        self.behind(bytes, at + usize::from(is_quoted), is_last)
    }

    /// Reads a date, a time or both into `parsed`; whether the field holds any, and where the next field begins.
    fn moment(
        &self,
        read: &mut MomentRead,
        bytes: &[u8],
        at: usize,
        is_last: bool,
        parsed: &mut Parsed,
    ) -> Option<(bool, usize)> {
        let is_quoted = *bytes.get(at)? == b'"';
        let from = at + usize::from(is_quoted);
        for fixed in &mut read.fixed {
            if fixed.read(bytes, from, parsed).is_some()
                && let Some(next) = self.behind_value(bytes, from + fixed.width(), is_quoted, is_last)
            {
                return Some((true, next));
            }
        }
        let text = self.text(bytes, at, is_last)?;
        if text.from == text.to {
            return Some((false, text.next));
        }
        let found = read.all.parse(&bytes[text.from..text.to]).ok()?;
        match read.role {
            Role::Date => parsed.date = found.date,
            Role::Time => (parsed.time, parsed.offset) = (found.time, found.offset),
            Role::Timestamp => *parsed = found,
        }
        Some((true, text.next))
    }

    #[inline]
    fn count(&self, bytes: &[u8], at: usize, is_last: bool) -> Option<(Quantity, usize)> {
        if let Some(digit @ b'0'..=b'9') = bytes.get(at)
            && let Some(next) = self.behind(bytes, at + 1, is_last)
        {
            return Some((Quantity::whole(i64::from(digit - b'0')), next));
        }
        let text = self.text(bytes, at, is_last)?;
        let count = value::count(&bytes[text.from..text.to]).ok()?;
        Some((count, text.next))
    }

    /// A duration; `Some(None)` for an empty field.
    #[inline]
    fn duration(
        &self,
        read: &mut DurationRead,
        bytes: &[u8],
        at: usize,
        is_last: bool,
    ) -> Option<(Option<Millis>, usize)> {
        let is_quoted = *bytes.get(at)? == b'"';
        let from = at + usize::from(is_quoted);
        if let Some(unit) = read.unit_of_digits
            && let Some((number, end)) = digits(bytes, from)
            && let Some(next) = self.behind_value(bytes, end, is_quoted, is_last)
        {
            let duration = Millis::new((number * unit).cast_signed());
            return (duration <= MAX_DURATION).then_some((Some(duration), next));
        }
        for clock in &mut read.clock {
            let mut parsed = NOTHING;
            if clock.read(bytes, from, &mut parsed).is_some()
                && let Parsed { time: Some(millis @ ..86_400_000), .. } = parsed
                && let Some(next) = self.behind_value(bytes, from + clock.width(), is_quoted, is_last)
            {
                return Some((Some(Millis::new(i64::from(millis))), next));
            }
        }
        let text = self.text(bytes, at, is_last)?;
        if text.from == text.to {
            return Some((None, text.next));
        }
        let duration = read.formats.iter().find_map(|format| format.parse(&bytes[text.from..text.to]).ok())?;
        Some((Some(duration), text.next))
    }
}

/// Finds out what each column is.
struct Maker {
    separator: u8,
    fields: Vec<Use>,
}

impl Maker {
    fn all(&mut self, plan: &Plan) -> Option<Values> {
        let mut values = Values {
            name: 0,
            activity: 0,
            start: NOTHING,
            end: NOTHING,
            has_end: false,
            offered: Quantity::ZERO,
            handled: Quantity::ZERO,
            duration: None,
            channel: Channel::Calls,
        };
        self.put(&plan.name, Use::Name)?;
        self.moment(&plan.start, Which::Start)?;
        match &plan.kind {
            Kind::Contacts { channel, offered, handled, duration } => {
                match channel {
                    ChannelPlan::Fixed(channel) => values.channel = *channel,
                    ChannelPlan::Column(column) => self.put(column, Use::Channel)?,
                }
                values.offered = self.count(offered, Use::Offered)?;
                values.handled = self.count(handled, Use::Handled)?;
                self.duration(duration)?;
            }
            Kind::Statuses { activity, end, duration } => {
                self.put(activity, Use::Activity)?;
                if let Some(end) = end {
                    values.has_end = true;
                    self.moment(end, Which::End)?;
                } else if let Some(duration) = duration {
                    self.duration(duration)?;
                }
            }
            Kind::Intervals { .. } => return None,
        }
        Some(values)
    }

    /// Notes what a column is; `None` where it is something else besides.
    fn put(&mut self, column: &Column, field: Use) -> Option<()> {
        let held = self.fields.get_mut(column.index()?)?;
        matches!(held, Use::Nothing).then(|| *held = field)
    }

    fn count(&mut self, plan: &CountPlan, field: Use) -> Option<Quantity> {
        let column = plan.column();
        match column.fixed() {
            Some(value) => value::count(value).ok(),
            None => self.put(column, field).map(|()| Quantity::ZERO),
        }
    }

    fn moment(&mut self, plan: &MomentPlan, which: Which) -> Option<()> {
        let (date, time) = plan.columns();
        let role = if time.is_some() { Role::Date } else { Role::Timestamp };
        for ((column, formats), role) in [(date, role)].into_iter().chain(time.map(|time| (time, Role::Time))) {
            let fixed = formats.formats().fixed().into_iter().filter(|fixed| !fixed.has_literal(self.separator));
            let read = MomentRead { role, fixed: fixed.collect(), all: formats.clone() };
            self.put(column, Use::Moment(which, Box::new(read)))?;
        }
        Some(())
    }

    fn duration(&mut self, plan: &DurationPlan) -> Option<()> {
        let first = plan.formats().first()?;
        let clock = ["hh:mm:ss"].iter().filter(|_| first.is_clock() && self.separator != b':');
        let clock =
            clock.filter_map(|text| crate::datetime::Formats::compile([*text], Role::Time, Default::default()).ok());
        let read = DurationRead {
            unit_of_digits: first.unit_of_digits(),
            clock: clock.flat_map(|formats| formats.fixed()).collect(),
            formats: plan.formats().to_vec(),
        };
        self.put(plan.column(), Use::Duration(Box::new(read)))
    }
}
