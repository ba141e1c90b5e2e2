//! A server ends with its owner, and comes back where it was stopped.

use std::net::TcpStream;
use std::path::Path;

use injixo_test_servers::{MariaDbServer, Parts, PostgresServer};

fn address(url: &str) -> String {
    let Parts { host, port, .. } = Parts::of(url);
    format!("{host}:{port}")
}

#[test]
fn a_server_stops_starts_and_ends() {
    let server = PostgresServer::new();
    let address = address(&server.url());
    assert!(TcpStream::connect(&address).is_ok());
    assert_ne!(server.database(), server.database());
    server.stop();
    assert!(TcpStream::connect(&address).is_err());
    server.start();
    assert!(TcpStream::connect(&address).is_ok());
    let debug = format!("{server:?}");
    let folder = debug.split_once("folder: \"").unwrap().1.split('"').next().unwrap().to_owned();
    assert!(Path::new(&folder).exists());
    drop(server);
    assert!(TcpStream::connect(&address).is_err());
    assert!(!Path::new(&folder).exists());
}

#[test]
fn a_mariadb_server_stops_starts_and_ends() {
    let server = MariaDbServer::new();
    let address = address(&server.url());
    assert_ne!(server.database(), server.database());
    server.stop();
    assert!(TcpStream::connect(&address).is_err());
    server.start();
    assert!(TcpStream::connect(&address).is_ok());
    drop(server);
    assert!(TcpStream::connect(&address).is_err());
}
