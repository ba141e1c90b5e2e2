//! The program prints scripts that a database reads.

use std::process::{Command, Output};

use rusqlite::Connection;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_database_standin")).args(arguments).output().unwrap()
}

fn script(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn count(script: &str, table: &str) -> i64 {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(script).unwrap();
    connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_script_makes_tables_and_rows() {
    let sample = ["engage", "--dialect", "sqlite", "--sample"];
    assert_eq!(count(&script(&sample), "MEDIATION_SEGMENT_FACT"), 3);
    assert_eq!(count(&script(&["sikom", "--dialect", "sqlite", "--sample"]), "acd_call"), 3);
    for (product, table) in [("engage", "gim_mediation_segment_fact"), ("sikom", "gim_acd_call")] {
        let arguments =
            [product, "--dialect", "sqlite", "--contacts-per-day", "700", "--days", "2", "--prefix", "gim_"];
        let rows = count(&script(&arguments), table);
        assert!(rows > 1400, "{rows}");
        let more = script(&[&arguments[..], &["--steps", "8"]].concat());
        assert!(count(&more, table) > rows);
        assert_ne!(script(&[&arguments[..], &["--seed", "2"]].concat()), script(&arguments));
    }
}

#[test]
fn what_is_not_understood_is_said() {
    for (arguments, problem) in [
        (&[][..], "say engage or sikom first"),
        (&["engage"], "say --dialect"),
        (&["sikom", "--dialect", "oracle"], "--dialect oracle is not known"),
        (&["sikom", "--dialect", "mysql", "--days", "many"], "--days many is not a number"),
        (&["sikom", "--dialect", "mysql", "--agents", "0"], "there must be"),
        (&["sikom", "--dialect", "mysql", "--colour", "red"], "--colour is not known"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(problem) && said.contains("usage:"), "{said}");
    }
}
