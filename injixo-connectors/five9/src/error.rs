//! What a fault of Five9 means.

use injixo_core::http::Reply;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::{Error, ErrorKind, Result};

use crate::xml::Element;

/// The response of an operation, or its fault.
pub(crate) fn response(reply: Reply) -> Result<Element> {
    let at = reply.at();
    if reply.status() == 401 {
        let message = "sign-in refused: check user, password and region";
        return Err(Error::new(ErrorKind::Unauthenticated, message));
    }
    // Faults come with a status of their own, as a rule 500; so does what is no SOAP at all.
    let envelope = match Element::parse(reply.body()) {
        Ok(root) if root.name == "Envelope" && matches!(reply.status(), 200 | 500) => root,
        Err(error) if reply.status() == 200 => return Err(error),
        _ => return Err(reply.ok().map_or_else(|error| error, |_| odd("it is no envelope"))),
    };
    let body = envelope.children.into_iter().find(|child| child.name == "Body");
    let inner = body.and_then(|body| body.children.into_iter().next()).ok_or_else(|| odd("its body is empty"))?;
    if inner.name == "Fault" { Err(fault(&inner, at)) } else { Ok(inner) }
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("not an answer of Five9: {what}"))
}

/// The error that a fault stands for: by its detail element, since texts differ.
fn fault(fault: &Element, at: Timestamp) -> Error {
    let detail = fault.child("detail").and_then(|detail| detail.children.first());
    let name = detail.map_or("", |detail| detail.name.as_str());
    let said = detail.map_or("", |detail| detail.text_of("message"));
    let said = if said.is_empty() { fault.text_of("faultstring") } else { said };
    let (kind, advice) = match name {
        "AccessDisallowedFault" => (
            ErrorKind::PermissionDenied,
            "the user may not use the web services: it needs the roles ADMIN and REPORTING",
        ),
        "InvalidAccountFault" => (ErrorKind::Unauthenticated, "sign-in refused: the account is wrong"),
        "AdminSessionClosedFault" | "SessionClosedFault" | "UserAlreadyLoggedInFault" => {
            (ErrorKind::Unavailable, "somebody else has signed in with this user: give the integration one of its own")
        }
        "SessionNotInitializedFault" | "StatisticsNotRequestedFault" | "UnknownTimestampFault" => {
            (ErrorKind::Unavailable, "the session of the statistics has ended")
        }
        "ReportNotFoundFault" => {
            (ErrorKind::ConfigInvalid, "no such report: share it with the user, or set its folder and name exactly")
        }
        "ObjectNotFoundFault" | "UnknownColumnFault" => (ErrorKind::ConfigInvalid, "no such object"),
        "UnknownIdentifierFault" => (ErrorKind::Unavailable, "Five9 does not know the report any more"),
        "ResultIsNotReadyFault" => (ErrorKind::Unavailable, "the report is not ready"),
        "OperationsLimitExceededFault" | "UserLimitReachedFault" => {
            (ErrorKind::RateLimited, "the account has reached a limit of Five9")
        }
        "ServiceUnavailableFault" | "ServerFault" | "ConfigurationChangedFault" => {
            (ErrorKind::Unavailable, "Five9 is in trouble")
        }
        "AgentNotFoundFault" | "MissedArgumentFault" | "IncorrectArgumentFault" | "InvalidDateRangeFault" => {
            (ErrorKind::Protocol, "Five9 does not take the request")
        }
        _ => (ErrorKind::Protocol, "Five9 answers with a fault"),
    };
    let mut error = Error::new(kind, format!("{advice}: {said}"));
    if kind == ErrorKind::RateLimited {
        // Five9 counts by whole minutes.
        error = error.retry_in(Millis::new(60_000 - at.millis().rem_euclid(60_000)).into());
    }
    if !name.is_empty() {
        error = error.with("fault", name);
    }
    for (field, called) in
        [("folder", "folder"), ("reportName", "report"), ("objectName", "object"), ("operationType", "operation")]
    {
        match detail.map_or("", |detail| detail.text_of(field)) {
            "" => {}
            value => error = error.with(called, value),
        }
    }
    error
}

/// Whether an error is this fault.
pub(crate) fn is_fault(error: &Error, name: &str) -> bool {
    error.context().any(|context| context == ("fault", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply::new(status, Vec::new(), body.as_bytes().to_vec(), Timestamp::MIN)
    }

    fn faulty(detail: &str) -> String {
        format!(
            "<env:Envelope xmlns:env='http://schemas.xmlsoap.org/soap/envelope/'><env:Body><env:Fault>\
             <faultcode>env:Server</faultcode><faultstring>Refused</faultstring><detail>{detail}</detail></env:Fault>\
             </env:Body></env:Envelope>"
        )
    }

    #[test]
    fn the_detail_says_what_to_do() {
        for (name, kind, is_retryable) in [
            ("AccessDisallowedFault", ErrorKind::PermissionDenied, false),
            ("InvalidAccountFault", ErrorKind::Unauthenticated, false),
            ("UserAlreadyLoggedInFault", ErrorKind::Unavailable, true),
            ("ReportNotFoundFault", ErrorKind::ConfigInvalid, false),
            ("OperationsLimitExceededFault", ErrorKind::RateLimited, true),
            ("ServerFault", ErrorKind::Unavailable, true),
            ("MissedArgumentFault", ErrorKind::Protocol, false),
            ("NewFault", ErrorKind::Protocol, false),
        ] {
            let body = faulty(&format!("<n:{name} xmlns:n='x'><message>because</message></n:{name}>"));
            for status in [200, 500] {
                let error = response(reply(status, &body)).unwrap_err();
                assert_eq!((error.kind(), error.is_retryable()), (kind, is_retryable), "{name}");
                assert!(error.to_string().contains("because") && is_fault(&error, name), "{error}");
            }
        }
        let body = faulty(
            "<n:ReportNotFoundFault xmlns:n='x'><folder>Shared</folder><reportName>Calls</reportName></n:ReportNotFoundFault>",
        );
        let error = response(reply(500, &body)).unwrap_err();
        assert!(error.to_string().contains("folder: Shared, report: Calls"), "{error}");
    }

    #[test]
    fn what_is_no_soap_is_judged_by_its_status() {
        for (status, body, kind) in [
            (401, "", ErrorKind::Unauthenticated),
            (429, "slow down", ErrorKind::RateLimited),
            (500, "<html>oops</html>", ErrorKind::Unavailable),
            (503, "<html>", ErrorKind::Unavailable),
            (404, "<html></html>", ErrorKind::NotFound),
            (200, "hello", ErrorKind::Protocol),
            (200, "<html></html>", ErrorKind::Protocol),
            (200, "<Envelope><Body/></Envelope>", ErrorKind::Protocol),
            (200, "<Envelope><Body><a>", ErrorKind::Unavailable),
        ] {
            let error = response(reply(status, body)).unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        }
    }
}
