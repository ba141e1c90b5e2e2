use proptest::prelude::*;

use super::*;
use crate::driver::mysql::testing::{saying, talking};

const PASSWORD: &str = "Zoë hunter2";
const ACCOUNT: Account<'_> = Account { user: "wfm", password: PASSWORD, database: "acd" };

/// The bytes from 33 on, as which they can be read.
const NONCE_HERE: &[u8] = b"!\"#$%&'()*+,-./01234";

/// What Python's hashlib makes of the password and that nonce.
const NATIVE: &str = "d920b5c12105e675c0b09257322c9b0cebb94829";
const SHA2: &str = "4cac2cb049d2333c6982bb5bc5aadb1d7fbbf0ca5f6490072dc81fd071168b73";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn hashes_are_those_of_another_program() {
    assert_eq!(hex(&native(PASSWORD, NONCE_HERE)), NATIVE);
    assert_eq!(hex(&caching_sha2(PASSWORD, NONCE_HERE)), SHA2);
}

/// What a server says first that prefers a plugin.
fn greeting(plugin: &str, without: u32) -> Vec<u8> {
    let [a, b, c, d] = (!without).to_le_bytes();
    let mut body = b"\x0A8.4.3\0\x07\0\0\0".to_vec();
    body.extend(&NONCE_HERE[..8]);
    body.extend([0, a, b, 45, 2, 0, c, d, 21]);
    body.extend([0; 10]);
    body.extend(&NONCE_HERE[8..]);
    body.push(0);
    body.extend(plugin.as_bytes());
    body.push(0);
    body
}

fn switch(plugin: &str) -> Vec<u8> {
    [&[0xFE], plugin.as_bytes(), &[0], NONCE_HERE, &[0]].concat()
}

#[test]
fn greetings_are_taken_apart() {
    // As MySQL 8.0.18 and MariaDB 10.4.7 sent them.
    let mysql = b"\n8.0.18\x00\x19\x00\x00\x00\x114aB0c\x06g\x00\xff\xff\xff\x02\x00\xff\xc7\x15\x00\x00\x00\x00\x00\x00\x00\x00\
        \x00\x00tL\x03s\x0f[4\rl4. \x00caching_sha2_password\x00";
    let mariadb = b"\n5.5.5-10.4.7-MariaDB-1:10.4.7+maria~bionic\x00\x0b\x00\x00\x00t6L\\j\"dS\x00\xfe\xf7\x08\x02\x00\xff\x81\x15\
        \x00\x00\x00\x00\x00\x00\x07\x00\x00\x00U14Oph9\"<H5n\x00mysql_native_password\x00";
    for (body, nonce, plugin, capabilities) in [
        (&mysql[..], b"\x114aB0c\x06gtL\x03s\x0f[4\rl4. ", "caching_sha2_password", 0xC7FF_FFFF),
        (&mariadb[..], b"t6L\\j\"dSU14Oph9\"<H5n", "mysql_native_password", 0x81FF_F7FE),
    ] {
        let found = Greeting::of(body).unwrap();
        assert_eq!((&found.nonce[..], &found.plugin[..]), (&nonce[..], plugin.as_bytes()));
        assert_eq!(found.capabilities, capabilities);
        // The name of the plugin may be cut.
        for length in 0..body.len() - plugin.len() - 1 {
            assert_eq!(Greeting::of(&body[..length]), None, "{length}");
        }
    }
}

/// What comes of a sign-in, and what the server heard.
async fn signed_in(bodies: Vec<Vec<u8>>, cover: Cover) -> (Result<(), Failure>, Vec<Vec<u8>>) {
    let (port, talk) = talking(bodies).await;
    let mut wire = Wire::new(Stream::connect("127.0.0.1", port).await.unwrap());
    let greeting = Greeting::of(wire.message().await.unwrap()).unwrap();
    let done = wire.sign_in(&ACCOUNT, &greeting, WANTED | PLUGINS, cover).await;
    drop(wire);
    (done, talk.await.unwrap())
}

fn hello(plugin: &str) -> Vec<u8> {
    greeting(plugin, 0)
}

#[tokio::test]
async fn the_first_answer_is_for_the_plugin_that_the_server_prefers() {
    for (preferred, used, hash) in [
        ("mysql_native_password", "mysql_native_password", NATIVE),
        ("caching_sha2_password", "caching_sha2_password", SHA2),
        ("client_ed25519", "mysql_native_password", NATIVE),
        ("mysql_clear_password", "mysql_native_password", NATIVE),
        ("sha256_password", "mysql_native_password", NATIVE),
    ] {
        let (done, heard) = signed_in(vec![hello(preferred), vec![0, 0, 0, 2, 0, 0, 0]], Cover::Nothing).await;
        done.unwrap();
        let rest = heard[0].get(32..).unwrap();
        let rest = rest.strip_prefix(b"wfm\0").unwrap();
        let (answer, rest) = rest[1..].split_at(rest[0].into());
        assert_eq!(hex(answer), hash, "{preferred}");
        assert_eq!(rest, [b"acd\0", used.as_bytes(), b"\0"].concat());
        assert_eq!(heard.len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_remembers_the_password_asks_no_more() {
    // It says so, and that is all: two packets in a row.
    let ok = crate::driver::mysql::testing::packet(3, &[0, 0, 0, 2, 0, 0, 0]);
    let first = crate::driver::mysql::testing::packet(0, &hello("caching_sha2_password"));
    let remembers = crate::driver::mysql::testing::packet(2, &[1, 3]);
    let mut wire = saying([first, remembers, ok].concat(), 3).await;
    let greeting = Greeting::of(wire.message().await.unwrap()).unwrap();
    wire.sign_in(&ACCOUNT, &greeting, WANTED | PLUGINS, Cover::Nothing).await.unwrap();
}

#[tokio::test]
async fn a_password_as_it_is_goes_over_encrypted_connections_only() {
    let ok = vec![0, 0, 0, 2, 0, 0, 0];
    let asks = |body: Vec<u8>| vec![hello("caching_sha2_password"), body, ok.clone()];
    for cover in [Cover::Nothing, Cover::Encryption, Cover::Trust] {
        for (body, needed) in [
            (vec![1, 4], Cover::Encryption),
            (switch("sha256_password"), Cover::Encryption),
            (switch("mysql_clear_password"), Cover::Trust),
        ] {
            let (done, heard) = signed_in(asks(body), cover).await;
            match done {
                Ok(()) => assert!(cover >= needed && heard[1] == clear(PASSWORD)),
                Err(Failure::Bare) => assert!(cover < needed && needed == Cover::Encryption),
                Err(Failure::Unchecked) => assert!(cover < needed && needed == Cover::Trust),
                failed => panic!("{failed:?}"),
            }
            assert_eq!(heard.len() > 1, cover >= needed, "else nothing is sent");
        }
    }
}

#[tokio::test]
async fn a_server_may_want_another_plugin() {
    let ok = vec![0, 0, 0, 2, 0, 0, 0];
    for (plugin, hash) in [("mysql_native_password", NATIVE), ("caching_sha2_password", SHA2)] {
        let bodies = vec![hello("client_ed25519"), switch(plugin), ok.clone()];
        let (done, heard) = signed_in(bodies, Cover::Nothing).await;
        done.unwrap();
        assert_eq!(hex(&heard[1]), hash);
    }
    for (body, name) in [
        (switch("client_ed25519"), "client_ed25519"),
        (switch("parsec"), "parsec"),
        (switch("auth\ngssapi_client"), "authgssapi_client"),
        (vec![0xFE], "mysql_old_password"),
    ] {
        let (done, _) = signed_in(vec![hello("mysql_native_password"), body], Cover::Trust).await;
        let Err(Failure::SignIn(told)) = done else { panic!("{done:?}") };
        assert_eq!(told, name);
    }
    let short = [b"\xFEcaching_sha2_password\0", &NONCE_HERE[..7], b"\0"].concat();
    let (done, _) = signed_in(vec![hello("mysql_native_password"), short], Cover::Trust).await;
    assert!(matches!(done, Err(Failure::Garbled)), "{done:?}");
}

#[tokio::test]
async fn without_a_password_nothing_is_hashed() {
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        assert_eq!(plugin.answer("", NONCE_HERE, Cover::Nothing).unwrap(), [0; 0]);
    }
}

async fn opened(sent: Vec<u8>, encryption: Encryption) -> Failure {
    let (port, _talk) = talking(vec![sent]).await;
    Wire::open("127.0.0.1", port, encryption, &ACCOUNT).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn what_a_server_refuses_before_it_greets_is_told() {
    let failure = opened(b"\xFF\x6A\x04Host is not allowed".to_vec(), Encryption::Off).await;
    let Failure::Refused(refusal) = failure else { panic!("{failure:?}") };
    assert_eq!((refusal.number, refusal.message.as_str()), (1130, "Host is not allowed"));
}

#[tokio::test]
async fn encryption_that_is_not_offered() {
    let tls = crate::driver::tls::encryption(
        &toml::from_str("adapter = 'mysql'\ndatabase = 'a'\nuser = 'b'\ntls = 'require'").unwrap(),
    );
    let failure = opened(greeting("mysql_native_password", ENCRYPTION), tls.unwrap()).await;
    assert!(matches!(failure, Failure::NoEncryption), "{failure:?}");
    let failure = opened(greeting("mysql_native_password", PROTOCOL_41), Encryption::Off).await;
    assert!(matches!(failure, Failure::Garbled), "{failure:?}");
}

#[tokio::test]
async fn what_is_said_before_the_encryption_is_not_taken_for_its_own() {
    use crate::driver::mysql::testing::packet;
    let tls = crate::driver::tls::encryption(&toml::from_str("adapter = 'mysql'\ndatabase = 'a'\nuser = 'b'").unwrap());
    let sent = [packet(0, &hello("mysql_native_password")), packet(2, &[0, 0, 0, 2, 0, 0, 0])].concat();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &sent).await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let failure = Wire::open("127.0.0.1", port, tls.unwrap(), &ACCOUNT).await.map(drop).unwrap_err();
    assert!(matches!(failure, Failure::Garbled), "{failure:?}");
}

#[tokio::test]
async fn what_is_no_mysql_is_told() {
    for sent in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", b"\x01\0\0\0\x09", b"\0\0\0\0"] {
        let mut wire = saying(sent.to_vec(), 1_000).await;
        let found = wire.message().await.map(Greeting::of);
        assert!(matches!(found, Err(Failure::Garbled) | Ok(None)), "{found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_sign_in_is_a_reason_to_panic(
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        at_once in 1..50_usize,
    ) {
        use crate::driver::mysql::testing::packet;
        let switched = packet(2, &switch("caching_sha2_password"));
        let mut sent = [packet(0, &hello("caching_sha2_password")), switched, packet(4, &[1, 3]), packet(5, &[0])].concat();
        for (at, byte) in spoilt {
            let at = at.index(sent.len());
            sent[at] = byte;
        }
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        threads.block_on(async {
            let mut wire = saying(sent, at_once).await;
            let greeting = wire.message().await.ok().and_then(Greeting::of);
            if let Some(greeting) = greeting {
                let _ = wire.sign_in(&ACCOUNT, &greeting, WANTED | PLUGINS, Cover::Nothing).await;
            }
        });
    }
}
