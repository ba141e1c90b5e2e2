//! Which formats of dates and times fit all values of a column.

use crate::datetime::{Format, Parsed, Role};
use crate::encoding::Encoding;

const DATES: [&str; 28] = [
    "YYYY-MM-DD",
    "YYYY/MM/DD",
    "YYYY.MM.DD",
    "YYYYMMDD",
    "DD/MM/YYYY",
    "MM/DD/YYYY",
    "D/M/YYYY",
    "M/D/YYYY",
    "DD.MM.YYYY",
    "D.M.YYYY",
    "DD-MM-YYYY",
    "MM-DD-YYYY",
    "D-M-YYYY",
    "M-D-YYYY",
    "DD/MM/YY",
    "MM/DD/YY",
    "D/M/YY",
    "M/D/YY",
    "DD.MM.YY",
    "D.M.YY",
    "DD-MM-YY",
    "MM-DD-YY",
    "D-MMM-YY",
    "D-MMM-YYYY",
    "D MMM YYYY",
    "D MMMM YYYY",
    "MMM D, YYYY",
    "MMMM D, YYYY",
];

const TIMES: [&str; 17] = [
    "hh:mm:ss",
    "hh:mm",
    "h:mm:ss",
    "h:mm",
    "hh:mm:ss A",
    "hh:mm A",
    "h:mm:ss A",
    "h:mm A",
    "hh:mm:ss.f",
    "h:mm:ss.f",
    "hh:mm-hh:mm",
    "hh:mm - hh:mm",
    "h:mm-h:mm",
    "h:mm - h:mm",
    "hh.mm",
    "hhmmss",
    "spreadsheet",
];

/// The formats that read every value, the likelier first.
pub(super) fn fitting(values: &[&str], role: Role) -> Vec<String> {
    let fits = |text: &String| {
        let Ok(format) = Format::compile(text, role, Encoding::Utf8) else { return false };
        values.iter().all(|value| format.parse(value.as_bytes()).is_ok())
    };
    let mut found: Vec<String> = match role {
        Role::Date => DATES.into_iter().map(str::to_owned).filter(fits).collect(),
        Role::Time => {
            TIMES.into_iter().filter(|text| is_likely_time(text, values)).map(str::to_owned).filter(fits).collect()
        }
        Role::Timestamp => {
            let named = ["iso8601", "unix", "unix_ms", "spreadsheet"].into_iter();
            let named = named.filter(|name| is_likely_timestamp(name, values)).map(str::to_owned);
            let pairs = DATES.into_iter().flat_map(|date| {
                [" ", "T", ", "].into_iter().flat_map(move |gap| {
                    TIMES
                        .into_iter()
                        .filter(|time| !time.contains('-') && *time != "spreadsheet")
                        .map(move |time| format!("{date}{gap}{time}"))
                })
            });
            named.chain(pairs).filter(fits).collect()
        }
    };
    order_days_and_months(&mut found, values, role);
    found
}

/// Numbers that are no times of day: a fraction of a day has a point and is below one; six digits may be a number.
fn is_likely_time(format: &str, values: &[&str]) -> bool {
    match format {
        "spreadsheet" => values.iter().all(|value| value.starts_with("0.") || value.starts_with("0,") || *value == "0"),
        "hhmmss" => values.iter().all(|value| value.len() == 6),
        _ => true,
    }
}

fn is_likely_timestamp(format: &str, values: &[&str]) -> bool {
    let whole = |value: &&str| value.split(['.', ',']).next().map_or(0, str::len);
    match format {
        "iso8601" => values.iter().all(|value| value.contains(':') || value.len() == 15),
        "unix" => values.iter().map(whole).all(|digits| digits == 10),
        "unix_ms" => values.iter().map(whole).all(|digits| digits == 13),
        _ => values.iter().all(|value| whole(value) == 5 && value.contains(['.', ','])),
    }
}

/// Of day-first and month-first the one by which the rows go back in time less often; day-first if that says nothing.
fn order_days_and_months(found: &mut [String], values: &[&str], role: Role) {
    let steps_back = |text: &String| {
        let Ok(format) = Format::compile(text, role, Encoding::Utf8) else { return usize::MAX };
        let at = |parsed: Parsed| (parsed.date, parsed.time);
        let times: Vec<_> = values.iter().filter_map(|value| format.parse(value.as_bytes()).ok().map(at)).collect();
        times.windows(2).filter(|pair| pair[1] < pair[0]).count()
    };
    let is_month_first = |text: &String| text.starts_with('M') && !text.starts_with("MMM");
    let is_day_first = |text: &String| text.starts_with('D') && !text.contains("MMM");
    if let (Some(day), Some(month)) = (found.iter().position(is_day_first), found.iter().position(is_month_first))
        && steps_back(&found[month]) < steps_back(&found[day])
    {
        found[..=month.max(day)].rotate_right(month.max(day) - month.min(day));
    }
}
