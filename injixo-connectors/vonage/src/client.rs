//! Talks to the Insights Stats API and nothing else.

use std::collections::HashSet;

use injixo_core::connector::{Budget, Context};
use injixo_core::http::{HttpClient, Request, SignIn};
use injixo_core::model::{Millis, Timestamp};
use injixo_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::VonageConfig;
use crate::error::judged;
use crate::wire::Page;

/// The version of the API that the connector understands.
const ACCEPT: &str = "application/vnd.newvoicemedia.v3+json";

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: HttpClient,
    api: String,
    page_size: u32,
}

/// Every row of an answer, once, from all its pages.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) items: Vec<Value>,
    /// Until when the answer is complete.
    pub(crate) up_to: Option<Timestamp>,
}

/// How often pages are read anew that rows moved between.
const READS: usize = 5;

/// More pages than any answer has.
const MOST_PAGES: u64 = 100_000;

impl Client {
    pub(crate) fn new(config: &VonageConfig, http: HttpClient) -> Self {
        let sign_in = SignIn::client_credentials(config.token(), &config.client_id, &config.client_secret);
        let budget = Budget::new(["vonage requests", &config.token(), &config.client_id])
            .permits(config.requests_per_minute, Millis::from_secs(60));
        let http = http.sign_in(sign_in.scope("stats")).budget(budget);
        Self { http, api: config.api(), page_size: config.page_size }
    }

    pub(crate) fn request(&self, path: &str) -> Request {
        Request::get(format!("{}{path}", self.api)).header("accept", ACCEPT)
    }

    /// One answer that has no pages; `None` if there is no such thing.
    pub(crate) async fn one<T: DeserializeOwned>(&self, cx: &Context, request: &Request) -> Result<Option<T>> {
        match self.http.send(cx, request, judged).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Every row of an answer, by its pages. Rows that arrive meanwhile shift the pages: equal rows are one, and where fewer
    /// are left than the last page counts, everything is read again.
    pub(crate) async fn rows(&self, cx: &Context, request: &Request) -> Result<Rows> {
        for _ in 0..READS {
            if let Some(rows) = self.read(cx, request).await? {
                return Ok(rows);
            }
        }
        let message = "rows moved between the pages of the answer each time it was read: try again later";
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    async fn read(&self, cx: &Context, request: &Request) -> Result<Option<Rows>> {
        let (mut items, mut seen, mut up_to) = (Vec::new(), HashSet::new(), None);
        let mut total = None;
        for number in 1..=MOST_PAGES {
            let request = request.clone().query("page", number).query("limit", self.page_size);
            let page: Page = self.http.send(cx, &request, judged).await?;
            // What the first page did not know of yet may be missing.
            up_to = up_to.or(page.up_to).min(page.up_to.or(up_to));
            let was = total.replace(page.meta.total_count);
            for item in page.items {
                if seen.insert(item.to_string()) {
                    items.push(item);
                }
            }
            if was.is_some_and(|was| was != page.meta.total_count) {
                return Ok(None);
            }
            if number >= page.meta.page_count {
                break;
            }
        }
        let is_whole = total == Some(items.len() as u64);
        Ok(is_whole.then_some(Rows { items, up_to }))
    }
}

/// An instant as the API takes it.
pub(crate) fn instant(at: Timestamp) -> String {
    at.to_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
