//! How the tests' databases are reached by drivers of ODBC.

use injixo_test_servers::Parts;
use injixo_tests::sources::Place;

/// By the driver of that database.
pub fn odbc(kind: &str, place: &Place) -> String {
    let more = &place.more;
    let Some(Parts { user, password, host, port, database }) = &place.server else {
        let file = place.file.display();
        // Else the driver makes a file that is not there.
        return format!("adapter = 'odbc'\nconnection_string = 'Driver=SQLite3;Database={file};NoCreat=1'\n{more}");
    };
    let driver = if kind == "mysql" { "MariaDB Unicode" } else { "PostgreSQL Unicode" };
    format!(
        "adapter = 'odbc'\nconnection_string = 'Driver={{{driver}}};Server={host};Port={port};Database={database}'\n\
         user = '{user}'\npassword = '{password}'\n{more}"
    )
}
