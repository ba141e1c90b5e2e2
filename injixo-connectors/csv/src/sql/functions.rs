//! The functions that a query may call, and those that the bundled SQLite lacks or has in a form that may run for hours.

use std::borrow::Cow;

use memchr::memmem;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;

use super::{Arc, Connection, Guard, MAX_LENGTH, MAX_PATTERN, ValueRef, ffi, iter};

/// Every function that a query may call. None reaches outside; none is much slower than its arguments are long.
const ALLOWED: &str = "
    -> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat concat_ws cos
    cosh count cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp
    first_value floor format glob group_concat hex if ifnull iif instr json_array_length json_extract
    json_type json_valid julianday lag last_value lead length like likelihood likely ln log log10 log2 lower
    ltrim max min mod nth_value ntile nullif octet_length percent_rank pi pow power printf quote radians
    rank replace round row_number rtrim sign sin sinh soundex sqrt strftime string_agg substr substring sum
    tan tanh time timediff total trim trunc typeof unhex unicode unixepoch unlikely upper
";

pub(super) fn is_allowed(name: &str) -> bool {
    ALLOWED.split_ascii_whitespace().any(|allowed| allowed == name)
}

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

/// Functions of one number. A result that is no number is NULL.
const OF_ONE: &[(&str, OfOne)] = &[
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("degrees", f64::to_degrees),
    ("exp", f64::exp),
    ("ln", |x| positive(x).ln()),
    ("log", |x| positive(x).log10()),
    ("log10", |x| positive(x).log10()),
    ("log2", |x| positive(x).log2()),
    ("radians", f64::to_radians),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

/// Functions of two numbers, likewise.
const OF_TWO: &[(&str, OfTwo)] = &[
    ("atan2", f64::atan2),
    // SQLite has no logarithm to a base of at most 1.
    ("log", |base, x| positive(x).ln() / positive(positive(base).ln())),
    ("mod", |x, y| x % y),
    ("pow", f64::powf),
    ("power", f64::powf),
];

/// Functions that leave a whole number what it is.
const TO_WHOLE: &[(&str, OfOne)] =
    &[("ceil", f64::ceil), ("ceiling", f64::ceil), ("floor", f64::floor), ("trunc", f64::trunc)];

type Output = rusqlite::Result<Value>;

pub(super) fn register(db: &Connection, guard: &Arc<Guard>) -> rusqlite::Result<()> {
    let add = |name: &str, arguments: i32, function: Box<dyn Fn(&Context<'_>) -> Output + Send>| {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
        let guard = Arc::clone(guard);
        db.create_scalar_function(name, arguments, flags, move |context| {
            if guard.is_over() { Err(failure(ffi::SQLITE_INTERRUPT)) } else { function(context) }
        })
    };
    for &(name, function) in OF_ONE {
        add(name, 1, Box::new(move |cx| Ok(real(float(cx, 0).map(function)))))?;
    }
    for &(name, function) in OF_TWO {
        add(name, 2, Box::new(move |cx| Ok(real(float(cx, 0).zip(float(cx, 1)).map(|(x, y)| function(x, y))))))?;
    }
    for &(name, function) in TO_WHOLE {
        add(
            name,
            1,
            Box::new(move |cx| match number(cx.get_raw(0)) {
                Some(Number::Whole(whole)) => Ok(Value::Integer(whole)),
                Some(Number::Real(x)) => Ok(real(Some(function(x)))),
                None => Ok(Value::Null),
            }),
        )?;
    }
    add("pi", 0, Box::new(|_| Ok(Value::Real(std::f64::consts::PI))))?;
    add("instr", 2, Box::new(|cx| Ok(instr(cx.get_raw(0), cx.get_raw(1)))))?;
    add("replace", 3, Box::new(|cx| replace(cx.get_raw(0), cx.get_raw(1), cx.get_raw(2))))?;
    for (name, start, end) in [("trim", true, true), ("ltrim", true, false), ("rtrim", false, true)] {
        add(name, 2, Box::new(move |cx| Ok(trim(cx.get_raw(0), cx.get_raw(1), start, end))))?;
    }
    add("glob", 2, Box::new(|cx| matches(cx, |pattern| Ok(glob(pattern)))))?;
    add("like", 2, Box::new(|cx| matches(cx, |pattern| Ok(like(pattern, None)))))?;
    add(
        "like",
        3,
        Box::new(|cx| {
            let Some(escape) = text(cx.get_raw(2)) else { return Ok(Value::Null) };
            let mut chars = escape.chars();
            let (Some(escape), None) = (chars.next(), chars.next()) else {
                return Err(problem("ESCAPE expression must be a single character"));
            };
            matches(cx, |pattern| Ok(like(pattern, Some(escape))))
        }),
    )
}

fn positive(x: f64) -> f64 {
    if x > 0.0 { x } else { f64::NAN }
}

enum Number {
    Whole(i64),
    Real(f64),
}

/// A number, or a text that is one, as SQLite's own functions see it: whole if it is written so and fits.
fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Integer(whole) => Some(Number::Whole(whole)),
        ValueRef::Real(x) => Some(Number::Real(x)),
        ValueRef::Text(bytes) => {
            let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
            let text = std::str::from_utf8(bytes).ok()?.trim_matches(blank);
            // Rust reads `inf` and `nan` as well.
            let written = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
            if !text.bytes().all(written) {
                return None;
            }
            match text.parse() {
                Ok(whole) => Some(Number::Whole(whole)),
                Err(_) => text.parse().ok().map(Number::Real),
            }
        }
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "SQLite converts so as well")]
fn float(context: &Context<'_>, argument: usize) -> Option<f64> {
    number(context.get_raw(argument)).map(|number| match number {
        Number::Whole(whole) => whole as f64,
        Number::Real(x) => x,
    })
}

fn real(x: Option<f64>) -> Value {
    x.filter(|x| !x.is_nan()).map_or(Value::Null, Value::Real)
}

/// A value as text, as a cast makes it; `None` for NULL.
pub(super) fn text(value: ValueRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(whole) => Some(whole.to_string().into()),
        ValueRef::Real(x) => Some(real_text(x).into()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes)),
    }
}

/// A number with 15 digits, as `%!.15g`.
fn real_text(x: f64) -> String {
    if x.is_infinite() {
        return if x > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{x:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match usize::try_from(14 - exponent) {
        Ok(decimals @ 0..=18) => with_one_decimal(&format!("{x:.decimals$}")),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", with_one_decimal(mantissa), exponent.unsigned_abs())
        }
    }
}

fn with_one_decimal(digits: &str) -> String {
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals = decimals.trim_end_matches('0');
    format!("{whole}.{}", if decimals.is_empty() { "0" } else { decimals })
}

/// `instr` in time of the text's length. SQLite's own takes seconds for a long repetitive text.
fn instr(haystack: ValueRef<'_>, needle: ValueRef<'_>) -> Value {
    if let (ValueRef::Blob(haystack), ValueRef::Blob(needle)) = (haystack, needle) {
        return count(memmem::find(haystack, needle).map_or(0, |place| place + 1));
    }
    let (Some(haystack), Some(needle)) = (text(haystack), text(needle)) else { return Value::Null };
    let found = memmem::find(haystack.as_bytes(), needle.as_bytes());
    count(found.map_or(0, |place| haystack[..place].chars().count() + 1))
}

fn count(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// `replace`, likewise.
fn replace(whole: ValueRef<'_>, old: ValueRef<'_>, new: ValueRef<'_>) -> Output {
    let (Some(whole), Some(old)) = (text(whole), text(old)) else { return Ok(Value::Null) };
    if old.is_empty() {
        return Ok(Value::Text(whole.into_owned()));
    }
    let Some(new) = text(new) else { return Ok(Value::Null) };
    let finder = memmem::Finder::new(old.as_bytes());
    let mut replaced = String::with_capacity(whole.len());
    let mut rest = 0;
    for place in finder.find_iter(whole.as_bytes()) {
        replaced.push_str(&whole[rest..place]);
        replaced.push_str(&new);
        rest = place + old.len();
        if replaced.len() > MAX_LENGTH {
            return Err(failure(ffi::SQLITE_TOOBIG));
        }
    }
    replaced.push_str(&whole[rest..]);
    Ok(Value::Text(replaced))
}

/// `trim` of given characters. SQLite's own takes minutes for many characters and a long text.
fn trim(whole: ValueRef<'_>, chars: ValueRef<'_>, start: bool, end: bool) -> Value {
    let (Some(whole), Some(chars)) = (text(whole), text(chars)) else { return Value::Null };
    let mut set: Vec<char> = chars.chars().collect();
    set.sort_unstable();
    let is_trimmed = |c: char| set.binary_search(&c).is_ok();
    let mut rest: &str = &whole;
    if start {
        rest = rest.trim_start_matches(is_trimmed);
    }
    if end {
        rest = rest.trim_end_matches(is_trimmed);
    }
    Value::Text(rest.to_owned())
}

enum Part {
    Many,
    One,
    Exactly(char),
    Letter(char),
    OneOf { negated: bool, ranges: Vec<(char, char)> },
    Never,
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Many | Self::Never => false,
            Self::One => true,
            Self::Exactly(letter) => *letter == c,
            Self::Letter(letter) => letter.eq_ignore_ascii_case(&c),
            Self::OneOf { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

/// `pattern LIKE text` and `GLOB`: as SQLite's own, but asks [`Guard`] before each call, so that a row full of them ends.
fn matches(context: &Context<'_>, parse: impl Fn(&str) -> rusqlite::Result<Vec<Part>>) -> Output {
    let (Some(pattern), Some(whole)) = (text(context.get_raw(0)), text(context.get_raw(1))) else {
        return Ok(Value::Null);
    };
    if pattern.len() > MAX_PATTERN {
        return Err(problem("LIKE or GLOB pattern too complex"));
    }
    Ok(Value::Integer(i64::from(is_match(&parse(&pattern)?, &whole))))
}

fn like(pattern: &str, escape: Option<char>) -> Vec<Part> {
    let mut chars = pattern.chars();
    iter::from_fn(|| {
        let c = chars.next()?;
        Some(match c {
            c if Some(c) == escape => chars.next().map_or(Part::Never, Part::Letter),
            '%' => Part::Many,
            '_' => Part::One,
            c => Part::Letter(c),
        })
    })
    .collect()
}

fn glob(pattern: &str) -> Vec<Part> {
    let mut chars = pattern.chars().peekable();
    iter::from_fn(|| {
        Some(match chars.next()? {
            '*' => Part::Many,
            '?' => Part::One,
            '[' => class(&mut chars).unwrap_or(Part::Never),
            c => Part::Exactly(c),
        })
    })
    .collect()
}

/// The rest of `[a-z]`, `[^,;]` or `[]]`; `None` if nothing closes it.
fn class(chars: &mut iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges: Vec<(char, char)> = Vec::new();
    if chars.next_if_eq(&']').is_some() {
        ranges.push((']', ']'));
    }
    let mut before = None;
    loop {
        match (chars.next()?, before.take()) {
            (']', _) => return Some(Part::OneOf { negated, ranges }),
            ('-', Some(first)) if chars.peek().is_some_and(|last| *last != ']') => {
                ranges.push((first, chars.next()?));
            }
            (c, _) => {
                ranges.push((c, c));
                before = Some(c);
            }
        }
    }
}

fn is_match(parts: &[Part], text: &str) -> bool {
    let (mut part, mut rest) = (0, text.chars());
    // Where to go on after the last `Many`: with one more character in it.
    let mut again = None;
    loop {
        if matches!(parts.get(part), Some(Part::Many)) {
            part += 1;
            if part == parts.len() {
                return true;
            }
            again = Some((part, rest.clone()));
            continue;
        }
        let mut after = rest.clone();
        match after.next() {
            None => return part == parts.len(),
            Some(c) if parts.get(part).is_some_and(|part| part.takes(c)) => {
                part += 1;
                rest = after;
            }
            Some(_) => {
                let Some((first, longer)) = &mut again else { return false };
                longer.next();
                part = *first;
                rest = longer.clone();
            }
        }
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn problem(message: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(message.to_owned()))
}
