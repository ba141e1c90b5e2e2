//! The tokens of answers but rows.

use crate::error::SqlError;
use crate::types::{COLLATION, Type, Version};
use crate::wire::{put_long_text, put_short_text};

/// How the server calls itself.
pub(crate) const NAME: &str = "STANDIN";
/// Its version: SQL Server 2019.
pub(crate) const BUILD: [u8; 6] = [15, 0, 0x10, 0x6D, 0, 0];
pub(crate) const BUILD_TEXT: &str = "15.0.4205.1";

/// `@@VERSION`.
pub(crate) const PRODUCT: &str = "Microsoft SQL Server 2019 (stand-in) - 15.0.4205.1 (X64)";

/// Which of the three tokens ends a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoneKind {
    Done,
    Procedure,
    InProcedure,
}

pub(crate) const DONE_MORE: u16 = 0x01;
pub(crate) const DONE_ERROR: u16 = 0x02;
pub(crate) const DONE_COUNT: u16 = 0x10;
pub(crate) const DONE_ATTENTION: u16 = 0x20;

pub(crate) fn put_done(kind: DoneKind, status: u16, command: u16, rows: u64, version: Version, out: &mut Vec<u8>) {
    out.push(match kind {
        DoneKind::Done => 0xFD,
        DoneKind::Procedure => 0xFE,
        DoneKind::InProcedure => 0xFF,
    });
    out.extend(status.to_le_bytes());
    out.extend(command.to_le_bytes());
    let rows = rows.to_le_bytes();
    out.extend(if version >= Version::V7_2 { &rows[..] } else { &rows[..4] });
}

/// An ERROR token, or an INFO token where the class is below 11.
pub(crate) fn put_error(error: &SqlError, procedure: &str, version: Version, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    body.extend(error.number.to_le_bytes());
    body.extend([error.state, error.class]);
    put_long_text(&mut body, &error.message);
    put_short_text(&mut body, NAME);
    put_short_text(&mut body, procedure);
    if version >= Version::V7_2 {
        body.extend(error.line.to_le_bytes());
    } else {
        body.extend(u16::try_from(error.line).unwrap_or(u16::MAX).to_le_bytes());
    }
    put_body(if error.class > 10 { 0xAA } else { 0xAB }, &body, out);
}

fn put_body(token: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(token);
    out.extend(crate::wire::count16(body.len()).to_le_bytes());
    out.extend(body);
}

/// ENVCHANGE of a text: 1 database, 2 language, 4 packet size.
pub(crate) fn put_change(kind: u8, new: &str, old: &str, out: &mut Vec<u8>) {
    let mut body = vec![kind];
    put_short_text(&mut body, new);
    put_short_text(&mut body, old);
    put_body(0xE3, &body, out);
}

/// ENVCHANGE of bytes: 7 collation, 8 to 10 transactions, 18 the session was reset.
pub(crate) fn put_change_bytes(kind: u8, new: &[u8], old: &[u8], out: &mut Vec<u8>) {
    let mut body = vec![kind];
    for bytes in [new, old] {
        body.push(u8::try_from(bytes.len()).unwrap_or_default());
        body.extend(bytes);
    }
    put_body(0xE3, &body, out);
}

pub(crate) fn put_collation_change(out: &mut Vec<u8>) {
    put_change_bytes(7, &COLLATION, &[], out);
}

pub(crate) fn put_login_ack(version: Version, out: &mut Vec<u8>) {
    let mut body = vec![1];
    body.extend(match version {
        Version::V7_1 => [0x71, 0, 0, 1],
        Version::V7_2 => [0x72, 9, 0, 2],
        Version::V7_3 => [0x73, 0x0B, 0, 3],
        Version::V7_4 => [0x74, 0, 0, 4],
    });
    put_short_text(&mut body, "Microsoft SQL Server");
    body.extend([BUILD[0], BUILD[1], BUILD[2], BUILD[3]]);
    put_body(0xAD, &body, out);
}

pub(crate) fn put_return_status(status: i32, out: &mut Vec<u8>) {
    out.push(0x79);
    out.extend(status.to_le_bytes());
}

/// An int that a procedure returns in a parameter.
pub(crate) fn put_return_int(ordinal: u16, name: &str, value: Option<i32>, version: Version, out: &mut Vec<u8>) {
    out.push(0xAC);
    out.extend(ordinal.to_le_bytes());
    put_short_text(out, name);
    out.push(1);
    out.extend(if version >= Version::V7_2 { &[0_u8; 4][..] } else { &[0; 2] });
    out.extend([1, 0]);
    Type::Int.put_info(true, out);
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(4);
            out.extend(value.to_le_bytes());
        }
    }
}

/// A message that is no error.
pub(crate) fn put_info(number: u32, message: &str, version: Version, out: &mut Vec<u8>) {
    put_error(&SqlError::new(number, 0, message, 1), "", version, out);
}
