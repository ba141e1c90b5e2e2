//! The drivers' own loops, and that of `sqlx` for MySQL: each value is taken and touched, nothing more.

use std::hint::black_box;
use std::path::Path;

use futures::TryStreamExt;
use injixo_test_servers::Parts;
use odbc_api::buffers::TextRowSet;
use odbc_api::{ConnectionOptions, Cursor, Environment};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::types::chrono::NaiveDateTime;
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::Failure;

/// Makes the table of a file.
pub(super) fn fill_sqlite(file: &Path, begin: i64, span: i64, rows: u64) -> Result<(), Failure> {
    let table = format!(
        "CREATE TABLE calls AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
         SELECT i * 7 % 75 AS queue, 'Queue ' || i * 7 % 75 AS name, datetime({begin} + i * {span} / {rows}, 'unixepoch') AS at,
         i % 10 > 0 AS answered, 40 + i % 300 AS secs FROM n"
    );
    Ok(rusqlite::Connection::open(file)?.execute_batch(&table)?)
}

/// What a driver of ODBC is told.
pub(super) fn connection_string(kind: &str, parts: &Parts) -> String {
    let Parts { user, password, host, port, database } = parts;
    let driver = if kind == "odbc-mysql" { "MariaDB Unicode" } else { "PostgreSQL Unicode" };
    let password = if password.is_empty() { String::new() } else { format!("PWD={password};") };
    format!("Driver={driver};Server={host};Port={port};Database={database};UID={user};{password}")
}

/// Reads all rows; how many there were.
pub(super) async fn read(kind: &str, parts: &Parts, file: &Path, query: &str) -> Result<u64, Failure> {
    match kind {
        "mysql" => mysql(parts, query).await,
        "sqlite" => sqlite(file, query),
        "mssql" => mssql(parts, query).await,
        _ => odbc(&connection_string(kind, parts), query),
    }
}

async fn mysql(parts: &Parts, query: &str) -> Result<u64, Failure> {
    let options = MySqlConnectOptions::new().host(&parts.host).port(parts.port).username(&parts.user);
    let mut options = options.database(&parts.database).ssl_mode(MySqlSslMode::Disabled);
    if !parts.password.is_empty() {
        options = options.password(&parts.password);
    }
    let mut connection = MySqlConnection::connect_with(&options).await?;
    let mut rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        black_box(row.try_get_unchecked::<i64, _>(0)?);
        black_box(row.try_get_unchecked::<&str, _>(1)?);
        black_box(row.try_get_unchecked::<NaiveDateTime, _>(2)?);
        black_box(row.try_get_unchecked::<i64, _>(3)?);
        black_box(row.try_get_unchecked::<i64, _>(4)?);
        count += 1;
    }
    Ok(count)
}

fn sqlite(file: &Path, query: &str) -> Result<u64, Failure> {
    let connection = rusqlite::Connection::open(file)?;
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query(())?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        (0..5).try_for_each(|column| {
            row.get_ref(column).map(|value| {
                black_box(value);
            })
        })?;
        count += 1;
    }
    Ok(count)
}

async fn mssql(parts: &Parts, query: &str) -> Result<u64, Failure> {
    let mut config = tiberius::Config::new();
    config.host(&parts.host);
    config.port(parts.port);
    config.database(&parts.database);
    config.authentication(tiberius::AuthMethod::sql_server(&parts.user, &parts.password));
    config.encryption(tiberius::EncryptionLevel::NotSupported);
    let stream = tokio::net::TcpStream::connect(config.get_addr()).await?;
    stream.set_nodelay(true)?;
    let mut client = tiberius::Client::connect(config, stream.compat_write()).await?;
    let mut rows = client.simple_query(query).await?.into_row_stream();
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        black_box(row.try_get::<i32, _>(0)?);
        black_box(row.try_get::<&str, _>(1)?);
        black_box(row.try_get::<NaiveDateTime, _>(2)?);
        black_box(row.try_get::<i32, _>(3)?);
        black_box(row.try_get::<i32, _>(4)?);
        count += 1;
    }
    Ok(count)
}

fn odbc(connection_string: &str, query: &str) -> Result<u64, Failure> {
    let environment = Environment::new()?;
    let connection = environment.connect_with_connection_string(connection_string, ConnectionOptions::default())?;
    let Some(mut cursor) = connection.execute(query, (), None)? else { return Ok(0) };
    let mut buffer = TextRowSet::for_cursor(1_000, &mut cursor, Some(1_000))?;
    let mut rows = cursor.bind_buffer(&mut buffer)?;
    let mut count = 0;
    while let Some(block) = rows.fetch()? {
        for row in 0..block.num_rows() {
            for column in 0..block.num_cols() {
                black_box(block.at(column, row));
            }
            count += 1;
        }
    }
    Ok(count)
}
