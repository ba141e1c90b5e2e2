//! Microsoft SQL Server by a driver of ODBC: FreeTDS, and a stand-in that speaks the protocol.

use injixo_connectors::core::ErrorKind;
use injixo_connectors::sql::database::Session;
use injixo_test_tds::{Options, TdsServer, User};
use injixo_tests::sources::{blocking, values};

async fn open(server: &TdsServer, password: &str) -> injixo_connectors::core::Result<Session> {
    let connection = format!(
        "adapter = 'odbc'\nconnection_string = 'Driver=FreeTDS;Server=127.0.0.1;Port={};Database=contacts;TDS_Version=7.4'\n\
         user = 'reader'\npassword = '{password}'",
        server.port()
    );
    Session::open(&toml::from_str(&connection).unwrap()).await
}

#[test]
fn values_come_through_its_driver() {
    blocking(async {
        let server = TdsServer::start(Options::default().user(User::new("reader", "Geheim-1")));
        server.execute(
            "CREATE TABLE few (id bigint, name nvarchar(20), amount decimal(19,0), share decimal(9,3), at datetime2(3), \
             seen datetimeoffset(3), yes bit, f float, ti time(3));
             INSERT INTO few VALUES (9223372036854775807, 'Zoë ☕', 9223372036854775807, -0.25, '2024-03-31 02:30:00.123', \
             '2024-03-31 02:30:00.5 +05:30', 1, 1711850400.125, '01:02:03.5')",
        );
        let mut session = open(&server, "Geheim-1").await.unwrap();
        let found = values::cells(&mut session, "SELECT * FROM few").await.unwrap();
        assert_eq!(
            found,
            [
                "Int(9223372036854775807)",
                "Text(\"Zoë ☕\")",
                "Int(9223372036854775807)",
                "Micros(-250000)",
                "Local(2024-03-31T02:30:00.123)",
                "Instant(2024-03-30T21:00:00.500Z)",
                "Bool(true)",
                "Float(1711850400.125)",
                "Length(3723.5s)",
            ]
        );
        let error = values::cells(&mut session, "SELECT * FROM nowhere").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
        let refused = open(&server, "hunter2").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{refused:?}");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        server.stop();
        let unreachable = open(&server, "Geheim-1").await.unwrap_err();
        assert_eq!(unreachable.kind(), ErrorKind::Unavailable, "{unreachable:?}");
    });
}
