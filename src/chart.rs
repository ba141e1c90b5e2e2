use std::fmt::Write as _;

use injixo_connectors::core::aggregate::Interval;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;

/// Volume as bars (offered light, handled dark) and average handle time as a line, as a self-contained SVG file.
pub fn chart(title: &str, intervals: &[Interval], label: impl Fn(&Interval) -> String) -> String {
    let count = |micros: i64| micros as f64 / 1e6;
    let offered = intervals.iter().map(|interval| count(interval.measures.offered.micros()));
    let most = offered.fold(1.0, f64::max);
    let seconds = |interval: &Interval| interval.measures.aht().map(|aht| aht.get() as f64 / 1e3);
    let longest = intervals.iter().filter_map(seconds).fold(1.0, f64::max);
    let step = (WIDTH - 2.0 * MARGIN) / intervals.len().max(1) as f64;
    let y = |share: f64| HEIGHT - MARGIN - share * (HEIGHT - 2.0 * MARGIN);
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\" role=\"img\">\n<title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{title}</text>\n<text x=\"{}\" y=\"24\" text-anchor=\"end\">offered <tspan fill=\"#9ecae1\">■</tspan> handled <tspan fill=\"#2171b5\">■</tspan> AHT <tspan fill=\"#d94801\">—</tspan></text>\n",
        WIDTH - MARGIN,
        title = escaped(title),
    );
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{at}\" text-anchor=\"end\">{:.0}</text><text x=\"{}\" y=\"{at}\">{:.0} s</text>",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            most * share,
            WIDTH - MARGIN + 6.0,
            longest * share,
            at = y(share),
        );
    }
    let mut line = String::new();
    for (index, interval) in intervals.iter().enumerate() {
        let x = MARGIN + index as f64 * step;
        for (value, colour) in [(interval.measures.offered, "#9ecae1"), (interval.measures.handled, "#2171b5")] {
            let top = y(count(value.micros()) / most);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
                step * 0.8,
                y(0.0) - top
            );
        }
        if let Some(seconds) = seconds(interval) {
            let _ = write!(line, "{:.1},{:.1} ", x + step * 0.4, y(seconds / longest));
        }
        if index % (intervals.len() / 12).max(1) == 0 {
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{}\">{}</text>",
                HEIGHT - MARGIN + 16.0,
                escaped(&label(interval))
            );
        }
    }
    let _ =
        write!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"#d94801\" stroke-width=\"1.5\"/>\n</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
