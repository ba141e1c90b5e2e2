//! PRELOGIN and LOGIN7.

use crate::error::{Outcome, SqlError};
use crate::options::Encryption;
use crate::tokens::BUILD;
use crate::types::Version;
use crate::wire::{Reader, text};

pub(crate) const ENCRYPT_OFF: u8 = 0;
pub(crate) const ENCRYPT_ON: u8 = 1;
pub(crate) const ENCRYPT_NOT_SUPPORTED: u8 = 2;
pub(crate) const ENCRYPT_REQUIRED: u8 = 3;

/// How much of a connection is in TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Nothing,
    /// The packets of the login request; what follows is plain.
    Login,
    Everything,
    /// Client and server do not come together.
    Refused,
}

/// What the client says of encryption; where it says nothing, it cannot.
pub(crate) fn client_encryption(data: &[u8]) -> Outcome<u8> {
    let mut reader = Reader::new(data);
    loop {
        let option = reader.u8()?;
        if option == 0xFF {
            return Ok(ENCRYPT_NOT_SUPPORTED);
        }
        let offset = usize::from(u16::from_be_bytes(reader.array()?));
        let length = usize::from(u16::from_be_bytes(reader.array()?));
        if option == 1 && length > 0 {
            // The highest bits speak of certificates of the client.
            return data.get(offset).map(|value| value & 0x0F).ok_or_else(|| SqlError::protocol("PRELOGIN is cut."));
        }
    }
}

/// What the server answers, and what follows from it.
pub(crate) fn negotiate(server: Encryption, client: u8) -> (u8, Extent) {
    let wants = matches!(client, ENCRYPT_ON | ENCRYPT_REQUIRED);
    match (server, client) {
        (Encryption::NotSupported, _) if wants => (ENCRYPT_NOT_SUPPORTED, Extent::Refused),
        (Encryption::NotSupported, _) => (ENCRYPT_NOT_SUPPORTED, Extent::Nothing),
        (Encryption::Required, ENCRYPT_NOT_SUPPORTED) => (ENCRYPT_REQUIRED, Extent::Refused),
        (Encryption::Required, _) => (if wants { ENCRYPT_ON } else { ENCRYPT_REQUIRED }, Extent::Everything),
        (Encryption::Offered, ENCRYPT_NOT_SUPPORTED) => (ENCRYPT_NOT_SUPPORTED, Extent::Nothing),
        (Encryption::Offered, _) if wants => (ENCRYPT_ON, Extent::Everything),
        (Encryption::Offered, _) => (ENCRYPT_OFF, Extent::Login),
    }
}

/// The server's PRELOGIN: version, encryption, instance, thread, MARS.
pub(crate) fn prelogin_answer(encryption: u8) -> Vec<u8> {
    let values: [(u8, &[u8]); 5] = [(0, &BUILD), (1, &[encryption]), (2, &[0]), (3, &[]), (4, &[0])];
    let mut head = Vec::new();
    let mut body: Vec<u8> = Vec::new();
    for (option, value) in values {
        let offset = values.len() * 5 + 1 + body.len();
        head.push(option);
        head.extend(crate::wire::count16(offset).to_be_bytes());
        head.extend(crate::wire::count16(value.len()).to_be_bytes());
        body.extend(value);
    }
    head.push(0xFF);
    head.extend(body);
    head
}

/// What LOGIN7 says.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) version: Version,
    pub(crate) packet_size: u32,
    pub(crate) read_only: bool,
    pub(crate) host: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) application: String,
    pub(crate) database: String,
    /// The client wants an account of Windows.
    pub(crate) integrated: bool,
}

/// Reads LOGIN7.
pub(crate) fn read(data: &[u8]) -> Outcome<Request> {
    let mut reader = Reader::new(data);
    let length = reader.u32()?;
    if usize::try_from(length).ok() != Some(data.len()) {
        return Err(SqlError::protocol("LOGIN7 has another length than it says."));
    }
    let version = match reader.u32()? >> 24 {
        0x71 => Version::V7_1,
        0x72 => Version::V7_2,
        0x73 => Version::V7_3,
        0x74.. => Version::V7_4,
        _ => return Err(SqlError::protocol("The client speaks a version below 7.1.")),
    };
    let packet_size = reader.u32()?;
    // Version of the program, process, connection.
    reader.take(12)?;
    let [_, second, kind, _] = reader.array()?;
    // Time zone and language.
    reader.take(8)?;
    let host = text(field(&mut reader, data)?);
    let user = text(field(&mut reader, data)?);
    let secret: Vec<u8> = field(&mut reader, data)?.iter().map(|byte| (byte ^ 0xA5).rotate_left(4)).collect();
    let password = text(&secret);
    let application = text(field(&mut reader, data)?);
    let _server = field(&mut reader, data)?;
    // The extensions: a pointer, with a length in bytes that is not needed.
    reader.take(4)?;
    let _library = field(&mut reader, data)?;
    let _language = field(&mut reader, data)?;
    let database = text(field(&mut reader, data)?);
    Ok(Request {
        version,
        packet_size,
        read_only: kind & 0x20 != 0,
        host,
        user,
        password,
        application,
        database,
        integrated: second & 0x80 != 0,
    })
}

/// The bytes of a text that an offset and a count of letters point to.
fn field<'a>(reader: &mut Reader<'_>, data: &'a [u8]) -> Outcome<&'a [u8]> {
    let start = usize::from(reader.u16()?);
    let letters = usize::from(reader.u16()?);
    data.get(start..start + letters * 2).ok_or_else(|| SqlError::protocol("LOGIN7 points outside of itself."))
}
