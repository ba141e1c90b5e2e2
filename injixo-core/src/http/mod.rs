//! Asking systems over HTTP: what every connector of a cloud system needs, ours and those of partners.
//!
//! An [`HttpClient`] sends [`Request`]s and judges the [`Reply`]: what is worth trying again is tried again, after the time that
//! the system asks for or a growing one with jitter; a sign-in is renewed before its end, and once when the system refuses it;
//! no request is sent without a permit of the [`Budget`](crate::connector::Budget). Replies are bounded in size and time.
//!
//! ```no_run
//! # async fn example(cx: &injixo_core::connector::Context) -> injixo_core::Result<()> {
//! use injixo_core::Secret;
//! use injixo_core::http::{HttpClient, HttpSettings, Reply, Request, SignIn};
//!
//! let sign_in = SignIn::bearer(&Secret::new("key"));
//! let client = HttpClient::new(&HttpSettings::default())?.sign_in(sign_in);
//! let request = Request::get("https://api.example.com/calls").query("from", "2024-03-05T09:00:00Z");
//! let calls: Vec<String> = client.send(cx, &request, Reply::json).await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod reply;
mod request;
mod retry;
mod sign_in;
mod socket;
mod transport;

pub use self::client::HttpClient;
pub use self::reply::Reply;
pub use self::request::Request;
pub use self::retry::Retry;
pub use self::sign_in::SignIn;
pub use self::socket::Socket;
pub use self::transport::{Answer, Connection, HttpSettings, Transport};
