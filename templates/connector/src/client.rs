//! Talks to the system and nothing else.

use std::collections::HashSet;

use injixo_core::connector::{Budget, Context, Outcome};
use injixo_core::http::{HttpClient, Reply, Request, SignIn};
use injixo_core::model::{Millis, RejectedRow, Rule, Window};
use injixo_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::AcmeConfig;
use crate::wire::Page;

/// The rows of a list, those that cannot become facts, and how the answer ended.
type Answer<T> = (Vec<T>, Vec<RejectedRow>, Outcome);

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: HttpClient,
    base: String,
}

impl Client {
    pub(crate) fn new(config: &AcmeConfig) -> Result<Self> {
        let per_minute = config.requests_per_minute.get();
        let budget = Budget::new(["acme", &config.url, &config.account]).permits(per_minute, Millis::from_secs(60));
        let http = HttpClient::new(&config.http)?.sign_in(SignIn::bearer(&config.key)).budget(budget);
        Ok(Self { http, base: format!("{}/v1/{}", config.url.trim_end_matches('/'), config.account) })
    }

    /// The name of the account.
    pub(crate) async fn account(&self, cx: &Context) -> Result<Value> {
        let mut account: Value = self.http.send(cx, &Request::get(&self.base), Reply::json).await?;
        Ok(account["name"].take())
    }

    /// Reads a list whole.
    pub(crate) async fn rows<T: DeserializeOwned>(
        &self,
        cx: &Context,
        list: &str,
        window: Window,
    ) -> Result<Answer<T>> {
        let asked = Request::get(format!("{}/{list}", self.base)).query("from", window.from()).query("to", window.to());
        let (mut rows, mut rejected, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for number in 1.. {
            let page: Page = self.http.send(cx, &asked.clone().query("page", number), Reply::json).await?;
            let is_last = page.is_cut || number >= page.pages || page.rows.is_empty();
            // Rows that arrive meanwhile shift the pages: what comes twice is one row.
            for row in page.rows.into_iter().filter(|row| seen.insert(row.to_string())) {
                match T::deserialize(&row) {
                    Ok(row) => rows.push(row),
                    Err(_) => rejected.push(reject(list, rows.len() + rejected.len() + 1, &row)),
                }
            }
            let outcome = match page.as_of {
                _ if page.is_cut => Outcome::truncated(),
                _ if !is_last => continue,
                _ if seen.len() != page.total => break,
                as_of => Outcome::complete_until(as_of.min(window.to())),
            };
            return Ok((rows, rejected, outcome));
        }
        Err(Error::new(ErrorKind::Unavailable, "rows moved between the pages: read again").with("list", list))
    }
}

/// A row that cannot become a fact: where it stands and what it is called, and nothing else of what it holds.
fn reject(list: &str, number: usize, row: &Value) -> RejectedRow {
    let excerpt = RejectedRow::excerpt_of(&row["id"].to_string());
    RejectedRow { source: list.to_owned(), line: number as u64, column: String::new(), rule: Rule::Type, excerpt }
}
