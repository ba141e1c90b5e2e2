//! What the plans of databases say about statements that look at all rows of a large table.

/// The lines of PostgreSQL's `EXPLAIN`.
pub(super) fn postgres(lines: impl Iterator<Item = String>) -> Option<String> {
    // Of a small table all rows are looked at anyway.
    let is_large = |line: &String| {
        let cost = line.split("..").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
        cost.is_some_and(|cost| cost > 1_000.0)
    };
    lines.filter(|line| line.contains("Seq Scan")).find(is_large).map(|line| line.trim().to_owned())
}

/// Table, access and row count of the lines of MySQL's `EXPLAIN`.
pub(super) fn mysql(mut lines: impl Iterator<Item = (String, String, i64)>) -> Option<String> {
    let scan = lines.find(|(_, access, count)| access == "ALL" && *count > 10_000);
    scan.map(|(table, ..)| format!("all rows of {table}"))
}

/// The details of SQLite's `EXPLAIN QUERY PLAN`.
pub(super) fn sqlite(mut details: impl Iterator<Item = String>) -> Option<String> {
    details.find(|detail| detail.starts_with("SCAN ") && !detail.contains("INDEX"))
}
