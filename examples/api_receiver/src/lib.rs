//! The program `api_receiver`: a host that does nothing but receive. Its tests run it in processes of their own.

pub mod load;
mod server;
mod tls;

use std::net::SocketAddr;
use std::process::ExitCode;

use injixo_connectors::api::{Api, Arrives, BadRows, RateLimit, Receiver, not_found};
use injixo_connectors::core::{PostgresStore, Runtime, SqliteStore};
use injixo_workspace::Args;

const USAGE: &str = "\
usage: api_receiver --listen ADDRESS --store FILE|URL [OPTIONS]

  --listen ADDRESS           where it listens, as 127.0.0.1:8443; port 0 takes a free one
  --store FILE|URL           a file of SQLite, made where there is none, or postgres://user:password@host:5432/database
  --tls CERT KEY             certificate chain and key in PEM; without it one is made at each start
  --insecure-loopback        plain HTTP, on an address of this machine only
  --certificate FILE         where a certificate that is made is written (default: a file in the folder for temporary files)
  --name NAME                the integration (default: injixo API), added where there is none
  --known-as NUMBER          a number that senders may use as integrationConfigurationId besides that of the integration; may be
                             given often (default: 1234 and 8431, those of the documentation)
  --requests-per-minute N    how many requests the key may make (default: 600000)
  --patience SECONDS         how long the head of a request may take (default: 15)
  --refuse-all               refuses a request as a whole when one of its rows is bad
  --help

Once it listens it prints, each on a line of its own and with one blank between name and value:
  address URL                where it listens, as https://127.0.0.1:8443
  integration NUMBER         the integrationConfigurationId
  key KEY                    the key of the sender, made at this start: the one before has expired
  certificate FILE           the certificate that was made; to trust it: curl --cacert FILE …
Everything else goes to standard error. It ends when it is interrupted or told to terminate.

  curl --cacert FILE -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' --data @events.json \\
    https://127.0.0.1:8443/external-systems/contact-events";

/// An error of the program.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    };
    // Connections that are still open do not keep it.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    code
}

async fn run() -> Result<(), Failure> {
    let mut args = Args::of_program();
    if args.flag("--help") {
        println!("{USAGE}");
        return Ok(());
    }
    let listen: SocketAddr = match args.value("--listen")? {
        Some(text) => {
            text.parse().map_err(|_| format!("--listen {text:?}: expected an address and a port, as 127.0.0.1:8443"))?
        }
        None => return Err(USAGE.into()),
    };
    let store = args.value("--store")?.ok_or(USAGE)?;
    let certificate = args.value("--certificate")?;
    let name = args.value("--name")?.unwrap_or_else(|| "injixo API".to_owned());
    let mut known_as = Vec::new();
    while let Some(number) = args.value("--known-as")? {
        known_as.push(number.parse::<u64>().map_err(|_| format!("--known-as {number:?}: expected a number"))?);
    }
    if known_as.is_empty() {
        known_as = vec![1234, 8431];
    }
    let per_minute = args.value("--requests-per-minute")?.map_or(Ok(600_000), |number| {
        number.parse().map_err(|_| format!("--requests-per-minute {number:?}: expected a number"))
    })?;
    let patience = args
        .value("--patience")?
        .map_or(Ok(15), |secs| secs.parse().map_err(|_| format!("--patience {secs:?}: expected a number")))?;
    let patience = std::time::Duration::from_secs(patience);
    let bad_rows = if args.flag("--refuse-all") { BadRows::RefuseAll } else { BadRows::KeepGood };
    let is_plain = args.flag("--insecure-loopback");
    let has_files = args.flag("--tls");
    let rest = args.rest()?;
    let files = match (&rest[..], has_files) {
        ([], false) => None,
        ([certificates, key], true) => Some((certificates.as_str(), key.as_str())),
        (_, true) => return Err("--tls needs two files: the certificates and the key".into()),
        ([other, ..], false) => return Err(format!("{other:?} is not understood\n{USAGE}").into()),
    };
    if is_plain && !listen.ip().is_loopback() {
        return Err(
            "--insecure-loopback: only an address of this machine, as 127.0.0.1, may be listened on in plain".into()
        );
    }

    let (security, certificate) = match (is_plain, files) {
        (true, Some(_)) => return Err("--tls and --insecure-loopback: only one of them".into()),
        (true, None) => (None, None),
        (false, Some((certificates, key))) => (Some(tls::from_files(certificates, key)?), None),
        (false, None) => {
            let (acceptor, file) = tls::made(listen.ip(), certificate)?;
            (Some(acceptor), Some(file))
        }
    };
    let runtime = open(&store).await?;
    let integration = runtime.add(&name, Api::new()).await?.id();
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let scheme = if security.is_some() { "https" } else { "http" };
    let arrives = if security.is_some() { Arrives::Encrypted } else { Arrives::Loopback };
    let receiver = Receiver::new(&runtime, arrives).bad_rows(bad_rows);
    let receiver = receiver.rate_limit(RateLimit::per_minute(per_minute));
    let receiver = known_as.into_iter().fold(receiver, |receiver, number| receiver.known_as(number, integration));
    let app = receiver.router().fallback(not_found);
    let key = runtime.new_key(integration).await?;
    println!("address {scheme}://{}", listener.local_addr()?);
    println!("integration {integration}");
    println!("key {}", key.expose());
    if let Some(file) = certificate {
        println!("certificate {file}");
        eprintln!("the certificate was made at this start; to trust it: curl --cacert {file} …");
    }
    tokio::select! {
        () = server::serve(listener, security, app, patience) => {}
        stopped = stopped() => stopped?,
    }
    Ok(())
}

async fn open(store: &str) -> Result<Runtime, Failure> {
    if store.starts_with("postgres://") || store.starts_with("postgresql://") {
        return Ok(Runtime::new(PostgresStore::connect(store).await?));
    }
    Ok(Runtime::new(SqliteStore::open(store).await?))
}

/// Waits until the program is told to end.
async fn stopped() -> Result<(), Failure> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
