//! Imports the files named on its command line into a store, saying where it is; made to be killed.
//!
//! `import_child STORE SCHEMA FILE...`

use std::error::Error;

use injixo_connectors::core::{Runtime, SqliteStore};
use injixo_connectors::csv::{Csv, Schema};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(store), Some(schema)) = (args.next(), args.next()) else { return Err("STORE SCHEMA FILE...".into()) };
    let runtime = Runtime::new(SqliteStore::open(store).await?);
    let integration = runtime.add("contacts", Csv::new(Schema::from_file(schema)?)).await?;
    println!("open");
    let integration = integration.watched_by(|progress| println!("rows {}", progress.rows));
    for file in args {
        println!("begin");
        println!("done {}", integration.import_file(file).await?);
    }
    Ok(())
}
