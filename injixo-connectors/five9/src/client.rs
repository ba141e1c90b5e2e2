//! Talks to the two services of Five9 and nothing else.

use std::sync::Arc;
use std::time::Duration;

use injixo_core::Result;
use injixo_core::connector::Context;
use injixo_core::http::{HttpClient, Request, SignIn};
use tokio::sync::Mutex;

use crate::config::Five9Config;
use crate::error::response;
use crate::limits::{Counted, Limits};
use crate::xml::{Children, Element, envelope};

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Configuration Web Services, in which the reports are.
    Configuration,
    /// Statistics Web Services.
    Statistics,
}

impl Service {
    fn path(self) -> &'static str {
        match self {
            Self::Configuration => "/wsadmin/v13/AdminWebService",
            Self::Statistics => "/wssupervisor/SupervisorWebService",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Configuration => "http://service.admin.ws.five9.com/",
            Self::Statistics => "http://service.supervisor.ws.five9.com/",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: HttpClient,
    base: String,
    pub(crate) limits: Limits,
    /// Five9 takes one request of a user at a time.
    line: Arc<Mutex<()>>,
}

impl Client {
    pub(crate) fn new(config: &Five9Config, http: HttpClient) -> Result<Self> {
        let http = http.sign_in(SignIn::basic(&config.user, &config.password));
        let limits = Limits::new(&config.base(), &config.user, config.zone()?);
        Ok(Self { http, base: config.base(), limits, line: Arc::default() })
    }

    /// Calls an operation and returns its response. Five9 may hold the call for `waits`.
    pub(crate) async fn call(
        &self,
        cx: &Context,
        (service, operation): (Service, &str),
        children: &Children,
        counted: Option<Counted>,
        waits: Duration,
    ) -> Result<Element> {
        let body = envelope(service.namespace(), operation, children);
        let request = Request::post(format!("{}{}", self.base, service.path()))
            .header("soapaction", "\"\"")
            .body("text/xml;charset=UTF-8", body)
            .waits(waits);
        let mut http = self.http.clone();
        if let Some(counted) = counted {
            http = http.budget(self.limits.budget(counted));
        }
        let _line = self.line.lock().await;
        http.send(cx, &request, response).await.map_err(|error| error.with("called", operation))
    }

    /// Learns what the account may and what was used of it, which is not counted itself.
    pub(crate) async fn learn_limits(&self, cx: &Context) -> Result<()> {
        let operation = (Service::Configuration, "getCallCountersState");
        let response = self.call(cx, operation, &Children::default(), None, Duration::ZERO).await?;
        self.limits.learn(&response);
        Ok(())
    }
}
