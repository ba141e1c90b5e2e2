//! Signing in: the greeting of a server, the encryption, and the ways to tell a password.
//!
//! A password goes over a connection as it is only where that is encrypted, and for `mysql_clear_password` only where the server's
//! certificate was checked as well.

use aws_lc_rs::digest::{Algorithm, Context, Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::wire::{Failure, Wire, push_lenenc, refusal, unsendable};
use crate::driver::stream::{Encryption, Stream};

/// Whom to sign in, and to what.
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) database: &'a str,
}

/// What stands between a password and who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cover {
    Nothing,
    Encryption,
    /// With a server whose certificate was checked.
    Trust,
}

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
struct Greeting {
    capabilities: u32,
    nonce: Vec<u8>,
    plugin: Vec<u8>,
}

/// A way to tell a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plugin {
    Native,
    CachingSha2,
    Sha256,
    Clear,
}

const WITH_DATABASE: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const ENCRYPTION: u32 = 1 << 11;
const SECURE: u32 = 1 << 15;
const PLUGINS: u32 = 1 << 19;

/// What is asked for: the usual protocol with all flags of columns, blanks before parentheses, transactions. Not asked for is that an
/// answer ends in another way than by a packet of its own, that there may be several, and that files may be asked for.
const WANTED: u32 = 1 | 1 << 2 | WITH_DATABASE | 1 << 8 | PROTOCOL_41 | 1 << 13 | SECURE;

/// `utf8mb4_general_ci`
const CHARACTERS: u8 = 45;

const NONCE: usize = 20;

impl Greeting {
    fn of(body: &[u8]) -> Option<Self> {
        // The version of the protocol, that of the server, the number of the connection.
        let (10, rest) = body.split_first()? else { return None };
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (first, rest) = rest.get(end + 5..)?.split_first_chunk::<8>()?;
        // Something that is zero, flags, characters, state, more flags, how long the nonce is, and ten bytes.
        let (&[_, a, b, _, _, _, c, d, length], rest) = rest.split_first_chunk::<9>()?;
        let rest = rest.get(10..)?;
        let length = usize::from(length).saturating_sub(8).max(13);
        let (second, rest) = rest.split_at_checked(length)?;
        let capabilities = u32::from_le_bytes([a, b, c, d]);
        let plugin = if capabilities & PLUGINS == 0 { &b"mysql_native_password"[..] } else { until_nul(rest) };
        let nonce = first.iter().chain(second).copied().take(NONCE).collect();
        Some(Self { capabilities, nonce, plugin: plugin.to_vec() })
    }
}

impl Plugin {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            b"sha256_password" => Some(Self::Sha256),
            b"mysql_clear_password" => Some(Self::Clear),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Sha256 => "sha256_password",
            Self::Clear => "mysql_clear_password",
        }
    }

    /// What to tell a server that has sent this nonce.
    fn answer(self, password: &str, nonce: &[u8], cover: Cover) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Native | Self::CachingSha2 if password.is_empty() => Ok(Vec::new()),
            Self::Native | Self::CachingSha2 if nonce.len() != NONCE => Err(Failure::Garbled),
            Self::Native => Ok(native(password, nonce)),
            Self::CachingSha2 => Ok(caching_sha2(password, nonce)),
            Self::Sha256 if cover < Cover::Encryption => Err(Failure::Bare),
            Self::Clear if cover < Cover::Trust => Err(Failure::Unchecked),
            Self::Sha256 | Self::Clear => Ok(clear(password)),
        }
    }
}

impl Wire {
    /// Connects and signs in.
    pub(super) async fn open(
        host: &str,
        port: u16,
        encryption: Encryption,
        account: &Account<'_>,
    ) -> Result<Self, Failure> {
        if [account.user, account.database].iter().any(|name| name.contains('\0')) {
            return Err(unsendable("a text with a NUL in it"));
        }
        let mut wire = Self::new(Stream::connect(host, port).await?);
        let body = wire.message().await?;
        if body.first() == Some(&0xFF) {
            return Err(refusal(body).map_or(Failure::Garbled, Failure::Refused));
        }
        let greeting = Greeting::of(body).ok_or(Failure::Garbled)?;
        let offered = greeting.capabilities;
        if offered & (PROTOCOL_41 | SECURE) != PROTOCOL_41 | SECURE {
            return Err(Failure::Garbled);
        }
        let mut capabilities = WANTED | (offered & PLUGINS);
        let tls = match encryption {
            Encryption::IfOffered(tls) if offered & ENCRYPTION != 0 => Some((tls, Cover::Encryption)),
            Encryption::Demanded(tls) if offered & ENCRYPTION != 0 => Some((tls, Cover::Trust)),
            Encryption::Demanded(_) => return Err(Failure::NoEncryption),
            Encryption::IfOffered(_) | Encryption::Off => None,
        };
        let mut cover = Cover::Nothing;
        if let Some((tls, covers)) = tls {
            capabilities |= ENCRYPTION;
            wire.packet(|out| push_head(capabilities, out))?;
            wire.send().await?;
            wire = wire.encrypted(host, tls).await?;
            cover = covers;
        }
        wire.sign_in(account, &greeting, capabilities, cover).await?;
        Ok(wire)
    }

    async fn sign_in(
        &mut self,
        account: &Account<'_>,
        greeting: &Greeting,
        capabilities: u32,
        cover: Cover,
    ) -> Result<(), Failure> {
        // A server that prefers another way says so when it knows who the user is.
        let preferred = Plugin::of(&greeting.plugin);
        let mut plugin = preferred.filter(|plugin| *plugin == Plugin::CachingSha2).unwrap_or(Plugin::Native);
        let answer = plugin.answer(account.password, &greeting.nonce, cover)?;
        self.packet(|out| {
            push_head(capabilities, out);
            out.extend(account.user.as_bytes());
            out.push(0);
            push_lenenc(answer.len(), out);
            out.extend(&answer);
            out.extend(account.database.as_bytes());
            out.push(0);
            if capabilities & PLUGINS != 0 {
                out.extend(plugin.name().as_bytes());
                out.push(0);
            }
        })?;
        self.send().await?;
        loop {
            let body = self.message().await?;
            let answer = match body {
                [0x00, ..] => return Ok(()),
                [0xFF, ..] => return Err(refusal(body).map_or(Failure::Garbled, Failure::Refused)),
                // What the oldest servers ask for has no name.
                [0xFE] => return Err(Failure::SignIn("mysql_old_password".to_owned())),
                [0xFE, rest @ ..] => {
                    let name = until_nul(rest);
                    let nonce = rest.get(name.len() + 1..).unwrap_or_default();
                    let nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce);
                    plugin = Plugin::of(name).ok_or_else(|| unknown(name))?;
                    plugin.answer(account.password, nonce, cover)?
                }
                // The server remembers the password.
                [0x01, 0x03] if plugin == Plugin::CachingSha2 => continue,
                // It does not, and wants it as it is.
                [0x01, 0x04] if plugin == Plugin::CachingSha2 => {
                    if cover < Cover::Encryption {
                        return Err(Failure::Bare);
                    }
                    clear(account.password)
                }
                _ => return Err(Failure::Garbled),
            };
            self.packet(|out| out.extend(&answer))?;
            self.send().await?;
        }
    }
}

/// What an answer to the greeting begins with, and all of it where encryption is asked for.
fn push_head(capabilities: u32, out: &mut Vec<u8>) {
    out.extend(capabilities.to_le_bytes());
    // How long packets may be.
    out.extend((1_u32 << 24).to_le_bytes());
    out.push(CHARACTERS);
    out.extend([0; 23]);
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A plugin by the name that a server gives it, as far as that is one.
fn unknown(name: &[u8]) -> Failure {
    Failure::SignIn(String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(64).collect())
}

fn clear(password: &str) -> Vec<u8> {
    [password.as_bytes(), &[0]].concat()
}

fn digest(algorithm: &'static Algorithm, parts: [&[u8]; 2]) -> Digest {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish()
}

fn xor(left: &Digest, right: &Digest) -> Vec<u8> {
    left.as_ref().iter().zip(right.as_ref()).map(|(left, right)| left ^ right).collect()
}

/// `SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password)))`
fn native(password: &str, nonce: &[u8]) -> Vec<u8> {
    let sha1 = |parts| digest(&SHA1_FOR_LEGACY_USE_ONLY, parts);
    let once = sha1([password.as_bytes(), &[]]);
    let twice = sha1([once.as_ref(), &[]]);
    xor(&once, &sha1([nonce, twice.as_ref()]))
}

/// `SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce)`
fn caching_sha2(password: &str, nonce: &[u8]) -> Vec<u8> {
    let sha256 = |parts| digest(&SHA256, parts);
    let once = sha256([password.as_bytes(), &[]]);
    let twice = sha256([once.as_ref(), &[]]);
    xor(&once, &sha256([twice.as_ref(), nonce]))
}

#[cfg(test)]
mod tests;
