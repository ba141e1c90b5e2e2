//! The programs as a user runs them: what they print, where, and how they end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use injixo_tests::file;

/// Runs an example of the workspace.
fn example(name: &str, args: &[&str], folder: &Path) -> Output {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "-q", "--locked", "--manifest-path"]).arg(manifest).args(["--example", name, "--"]).args(args);
    command.current_dir(folder).output().unwrap()
}

fn intervals(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = example("csv_to_intervals", args, folder);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const INTERVALS: &str = "data = 'contacts'\nlayout = 'interval-based'\ninterval = 15\ntime_zone = 'Europe/Berlin'
[columns]\nqueue = 'Queue'\ndate = { column = 'Date', format = 'DD/MM/YYYY' }\ntime = { column = 'Time', format = 'hh:mm' }
offered = 'IncomingCalls'\nhandled = 'AnsweredCalls'\naht = 'AHT'\nchannel = { value = 'calls' }\n";

const CONTACTS: &str = "data = 'contacts'\ntime_zone = 'Europe/Berlin'
[columns]\nqueue = 'Queue'\ndate = { column = 'Date', format = 'DD/MM/YYYY' }\ntime = { column = 'Time', format = 'hh:mm' }
offered = 'Offered'\nhandled = 'Answered'\nduration = 'Duration'\nchannel = { value = 'calls' }\n";

const STATUSES: &str = "data = 'agent-status'\ntime_zone = 'Europe/Berlin'
[columns]\nagent = 'AgentID'\nactivity = 'AgentActivityID'\nstart_date = { column = 'StartDate', format = 'YYYY-MM-DD' }
start_time = { column = 'StartTime', format = 'hh:mm:ss' }\n";

const INTERVAL_FILE: &str = "Queue;Date;Time;IncomingCalls;AnsweredCalls;AHT
My Inbound Queue;25/05/2020;08:00;15;14;230
My Inbound Queue;25/05/2020;08:15;16;15;210
";

const CONTACT_FILE: &str = "Queue;Date;Time;Offered;Answered;Duration
My Inbound Queue;25/05/2020;08:00;1;1;100
My Inbound Queue;25/05/2020;08:03;1;0;0
";

const STATUS_FILE: &str = "StartDate;StartTime;AgentID;AgentActivityID
2022-04-22;08:34:29;816;1013;
2022-04-22;08:34:42;816;1015;
";

#[test]
fn the_documented_examples() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, text) in [
        ("i.toml", INTERVALS),
        ("i.csv", INTERVAL_FILE),
        ("c.toml", CONTACTS),
        ("c.csv", CONTACT_FILE),
        ("s.toml", STATUSES),
        ("s.csv", STATUS_FILE),
    ] {
        file(folder, name, text);
    }
    let head = "queue,channel,start,offered,handled,handle_time\n";
    let run = |args: &[&str]| {
        let (code, table, messages) = intervals(folder, args);
        assert_eq!(code, 0, "{args:?}: {messages}");
        table
    };
    // 230 s times 14 and 210 s times 15; Berlin is two hours ahead in May.
    assert_eq!(
        run(&["--schema", "i.toml", "i.csv"]),
        format!(
            "{head}My Inbound Queue,calls,2020-05-25T06:00:00Z,15,14,3220\nMy Inbound Queue,calls,2020-05-25T06:15:00Z,16,15,3150\n"
        )
    );
    assert_eq!(
        run(&["--schema", "i.toml", "--interval", "30", "i.csv"]),
        format!("{head}My Inbound Queue,calls,2020-05-25T06:00:00Z,31,29,6370\n")
    );
    assert_eq!(
        run(&["--schema", "c.toml", "c.csv"]),
        format!("{head}My Inbound Queue,calls,2020-05-25T06:00:00Z,2,1,100\n")
    );
    assert_eq!(
        run(&["--schema", "s.toml", "--timeline", "s.csv"]),
        "agent,activity,start,end\n816,1013,2022-04-22T06:34:29Z,2022-04-22T06:34:42Z\n816,1015,2022-04-22T06:34:42Z,\n"
    );
    assert_eq!(
        run(&["--schema", "s.toml", "s.csv"]),
        "agent,activity,start,seconds\n816,1013,2022-04-22T06:30:00Z,13\n"
    );
    assert_eq!(
        run(&["--schema", "s.toml", "--as-of", "2022-04-22T06:46:00Z", "s.csv"]),
        "agent,activity,start,seconds\n816,1013,2022-04-22T06:30:00Z,13\n816,1015,2022-04-22T06:30:00Z,618\n816,1015,2022-04-22T06:45:00Z,60\n"
    );
}

/// One file is summed up at once, several by way of a store: the table is the same, and so are the messages about rejected rows.
#[test]
fn one_file_gives_the_table_that_several_give() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (head, status_head) = (CONTACT_FILE.lines().next().unwrap(), STATUS_FILE.lines().next().unwrap());
    let queues = ["B", "A", "ä, \"b\"", "B"];
    let channels = ["calls", "chats", "cases", "documents", "emails", "social_media"];
    let mut contacts = format!("{head};Channel\n");
    let mut statuses = format!("{status_head}\n");
    for row in 0..600_usize {
        // Across the hour that Berlin repeats, and back again; every fiftieth row is bad.
        let (minute, day) = (row * 7 % 60, if row % 50 == 49 { "31/02/2020" } else { "25/10/2020" });
        let (queue, channel) = (queues[row % 4].replace('"', "\"\""), channels[row * 5 % 6]);
        contacts += &format!("\"{queue}\";{day};{:02}:{minute:02};1;{};{};{channel}\n", row * 11 % 5, row % 3 % 2, row);
        let (hour, second) = (row / 60 % 5, row * 13 % 60);
        statuses += &format!("2022-10-30;{hour:02}:{minute:02}:{second:02};{};{};\n", row % 7, row % 5);
    }
    file(folder, "c.toml", &CONTACTS.replace("{ value = 'calls' }", "'Channel'"));
    file(folder, "s.toml", STATUSES);
    file(folder, "c.csv", &contacts);
    file(folder, "s.csv", &statuses);
    file(folder, "none-c.csv", &format!("{head};Channel\n"));
    file(folder, "none-s.csv", &format!("{status_head}\n"));
    for (kind, options) in [
        ("c", &[][..]),
        ("c", &["--interval", "60"]),
        ("s", &[]),
        ("s", &["--overlap", "both", "--interval", "30"]),
        ("s", &["--as-of", "2022-10-30T03:00:00Z"]),
    ] {
        let (schema, one, none) = (format!("{kind}.toml"), format!("{kind}.csv"), format!("none-{kind}.csv"));
        let run = |files: &[&str], rejects: &str| {
            let base = ["--schema", schema.as_str(), "--rejects", rejects];
            let (code, table, _) = intervals(folder, &[&base[..], options, files].concat());
            (code, table, std::fs::read_to_string(folder.join(rejects)).unwrap())
        };
        let (alone, beside) = (run(&[&one], "1.csv"), run(&[&one, &none], "2.csv"));
        assert!(alone.1.lines().count() > 20, "{}", alone.1);
        assert_eq!(alone, beside, "{kind} {options:?}");
    }
}

#[test]
fn a_store_keeps_what_was_imported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    file(folder, "c.toml", CONTACTS);
    file(folder, "a.csv", CONTACT_FILE);
    file(folder, "b.csv", &CONTACT_FILE.replace("08:", "09:"));
    let import = |name: &str| intervals(folder, &["--schema", "c.toml", "--store", "s.db", name]);
    let (_, first, _) = import("a.csv");
    let (_, second, _) = import("b.csv");
    assert_eq!((first.lines().count(), second.lines().count()), (2, 3));
    let (code, third, messages) = import("b.csv");
    assert_eq!((code, &third), (0, &second));
    assert!(messages.contains("unchanged"), "{messages}");
    let (_, quiet, messages) = intervals(folder, &["--schema", "c.toml", "--store", "s.db", "--quiet", "a.csv"]);
    assert_eq!(quiet, "");
    assert!(messages.contains("2 unchanged"), "something else was applied since, so it is read again: {messages}");
}

#[test]
fn bad_rows_are_named_and_good_rows_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    file(folder, "c.toml", CONTACTS);
    let bad = [
        ("Q;31/02/2020;08:00;1;1;5", "Date,date,31/02/2020"),
        ("Q;25/05/1820;08:00;1;1;5", "Date,date_range,25/05/1820"),
        ("Q;25/05/2020;25:00;1;1;5", "Time,date,25:00"),
        ("Q;25/05/2020;08:00;1;2;5", "Answered,contact_count,2"),
        ("Q;25/05/2020;08:00;-1;1;5", "Offered,quantity,-1"),
        ("Q;25/05/2020;08:00;1;1;-5", "Duration,duration,-5"),
        ("Q;25/05/2020;08:00;1;1;99999999999999999999", "Duration,duration,99999999999999999999"),
        (";25/05/2020;08:00;1;1;5", "Queue,required,"),
        ("Q;25/05/2020", "Time,columns,Q;25/05/2020"),
        ("Q;25/05/2020;08:00;1;1;5;more;still", ",columns,Q;25/05/2020;08:00;1;1;5;more;still"),
        ("Q\0;25/05/2020;08:00;1;1;5", ",nul,Q\\u{0};25/05/2020;08:00;1;1;5"),
        ("\"Q;25/05/2020;08:00;1;1;5", ",quote,\"\"Q;25/05/2020;08:00;1;1;5"),
    ];
    let mut text = String::from("Queue;Date;Time;Offered;Answered;Duration\n");
    for (row, _) in bad {
        text.push_str(&format!("{row}\nGood;25/05/2020;08:00;1;1;5\n"));
    }
    file(folder, "bad.csv", &text);
    let (code, table, messages) = intervals(folder, &["--schema", "c.toml", "--rejects", "r.csv", "bad.csv"]);
    assert_eq!(code, 3, "{messages}");
    assert_eq!(table.lines().nth(1), Some("Good,calls,2020-05-25T06:00:00Z,12,12,60"));
    let rejects = std::fs::read_to_string(folder.join("r.csv")).unwrap();
    let lines: Vec<&str> = rejects.lines().collect();
    assert_eq!(lines[0], "file,line,column,rule,excerpt");
    assert_eq!(lines.len(), 1 + bad.len(), "{rejects}");
    for (index, (_, expected)) in bad.iter().enumerate() {
        let line = lines[index + 1].replace(",\"\"\"Q", ",\"\"Q").replace("5\"", "5");
        assert_eq!(line, format!("bad.csv,{},{expected}", 2 + 2 * index));
    }
}

#[test]
fn files_that_cannot_be_read_change_nothing_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    file(folder, "c.toml", CONTACTS);
    file(folder, "i30.toml", &INTERVALS.replace("interval = 15", "interval = 30"));
    file(folder, "i.csv", INTERVAL_FILE);
    for (name, text, part) in [
        ("empty.csv", "", "the file is empty"),
        ("comma.csv", &*CONTACT_FILE.replace(';', ","), "check `separator`"),
        ("column.csv", &*CONTACT_FILE.replace("Duration", "Talk"), "column \"Duration\" is missing (for duration)"),
        ("binary.csv", "PK\u{3}\u{4}\0\0\0\0", "this is no CSV file but"),
        ("day.csv", "Queue;Date;Offered\nQ;25/05/2020;5\n", "totals by day cannot be read"),
        ("none.csv", "Queue;Date;Time;Offered;Answered;Duration\nQ;x;08:00;1;1;5\n", "not one row could be read"),
    ] {
        file(folder, name, text);
        let (code, table, messages) = intervals(folder, &["--schema", "c.toml", name]);
        assert_eq!((code, table.as_str()), (1, ""), "{name}: {messages}");
        assert!(messages.contains(part), "{name}: {messages}");
    }
    let (code, _, messages) = intervals(folder, &["--schema", "c.toml", "missing.csv"]);
    assert!(code == 1 && messages.contains("there is no such file"), "{messages}");
    let (code, _, messages) = intervals(folder, &["--schema", "i30.toml", "i.csv"]);
    assert!(code == 1 && messages.contains("a row every 15 minutes, the schema says 30"), "{messages}");
    let (code, _, messages) = intervals(folder, &["--schema", "i30.toml", "--interval", "15", "i.csv"]);
    assert!(code == 1 && messages.contains("--interval 15 is shorter"), "{messages}");
}

#[test]
fn a_proposed_schema_reads_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (text, lines) in [(INTERVAL_FILE, 3), (CONTACT_FILE, 2), (STATUS_FILE, 2)] {
        file(folder, "x.csv", text);
        let (code, schema, messages) = intervals(folder, &["inspect", "x.csv"]);
        assert_eq!(code, 0, "{messages}");
        file(folder, "x.toml", &schema);
        let (code, table, messages) = intervals(folder, &["--schema", "x.toml", "x.csv"]);
        assert_eq!((code, table.lines().count()), (0, lines), "{messages}");
    }
}

#[test]
fn the_quickstart_prints_the_same_table_twice() {
    let folder = tempfile::tempdir().unwrap();
    let first = example("quickstart", &[], folder.path());
    let second = example("quickstart", &[], folder.path());
    assert!(first.status.success() && second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(first.stdout, second.stdout);
    assert!(String::from_utf8_lossy(&second.stderr).contains("unchanged"));
    // From one to three in the night the wall clock shows one hour only.
    assert!(!String::from_utf8_lossy(&first.stdout).contains("\n02:"));
}

#[test]
fn a_connector_of_ones_own_imports_a_window() {
    let folder = tempfile::tempdir().unwrap();
    let output = example("custom_connector", &[], folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // 08:00 to 09:00 are minutes 28,575,840 to 28,575,900 since 1970; calls come at multiples of seven: at 08:01, 08:08, ….
    let offered: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line[..31].to_owned()).collect();
    assert_eq!(
        offered,
        [
            "2024-05-01T08:00:00Z 2 offered,",
            "2024-05-01T08:15:00Z 3 offered,",
            "2024-05-01T08:30:00Z 2 offered,",
            "2024-05-01T08:45:00Z 2 offered,"
        ]
    );
}
