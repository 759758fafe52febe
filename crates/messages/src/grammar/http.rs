//! Requests and HTTP statuses.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::{Fault, Layer, Method, Operation, ProxyFault};

pub(super) const RULES: &[Rule] = &[
    // --- requests ---
    rule("get {url}<: >", |d, c| request(d, Method::Get, c.get(0))),
    rule("head {url}<: >", |d, c| request(d, Method::Head, c.get(0))),
    rule("post {url}<: >", |d, c| request(d, Method::Post, c.get(0))),
    rule("put {url}<: >", |d, c| request(d, Method::Put, c.get(0))),
    rule(
        "unexpected status from (get|head|post|put) request to {url}<: >",
        |d, c| {
            let method = match d.phrase().split(' ').nth(3) {
                Some("head") => Method::Head,
                Some("post") => Method::Post,
                Some("put") => Method::Put,
                _ => Method::Get,
            };
            d.runtime(crate::Runtime::Containerd);
            request(d, method, c.get(0));
        },
    ),
    rule("unexpected status code {url}<: >", |d, c| {
        d.runtime(crate::Runtime::Containerd);
        d.request(None, c.get(0));
    }),
    rule("unexpected status code \\[{..}]: ", |d, _| {
        d.runtime(crate::Runtime::Containerd);
    }),
    rule("error sending request for url \\({)}\\)", |d, c| {
        d.request(None, c.get(0));
    }),
    // Other URLs are places to read: nothing in them is a phrase.
    rule("{url}", |_, _| {}),
    // --- statuses ---
    rule(
        "(301 <\\(>moved|302 <\\(>found|303 <\\(>see other|307 <\\(>temporary|308 <\\(>permanent|400 <\\(>bad request|401 <\\(>unauthorized|401 <\\(>authorization required|402 <\\(>payment required|403 <\\(>forbidden|404 <\\(>not found|405 <\\(>method not allowed|406 <\\(>not acceptable|407 <\\(>proxy authentication|408 <\\(>request time|409 <\\(>conflict|410 <\\(>gone|412 <\\(>precondition failed|413 <\\(>request entity|414 <\\(>request|415 <\\(>unsupported media|416 <\\(>requested range|418 <\\(>i'm a|421 <\\(>misdirected|422 <\\(>unprocessable|426 <\\(>upgrade|429 <\\(>too many requests|429 <\\(>unknown|451 <\\(>unavailable for legal|500 <\\(>internal server error|501 <\\(>not implemented|502 <\\(>bad gateway|503 <\\(>service unavailable|503 <\\(>service temporarily|503 <\\(>backend|504 <\\(>gateway time|505 <\\(>http version|507 <\\(>insufficient storage|508 <\\(>loop|509 <\\(>bandwidth|520 |521 |522 |523 |524 |525 |526 |530 )",
        |d, _| {
            let status = d.phrase().get(..3).and_then(|s| s.parse().ok());
            if let Some(status) = status {
                d.status(status);
            }
        },
    ),
    rule(
        "(statuscode|status code|http code|http status|http status code|http error|http response code|response status|error code)<:>< => {n}",
        |d, c| numbered(d, c.get(0)),
    ),
    rule(
        "(statuscode|status code|http code|http status code|response status code|response code|http|error code)<:|=> {n}",
        |d, c| numbered(d, c.get(0)),
    ),
    rule(
        "unexpected (http status|http status code|status|status code|http response code)<:> {n}",
        |d, c| numbered(d, c.get(0)),
    ),
    rule("(statuscode|status)={n}", |d, c| numbered(d, c.get(0))),
    rule("error parsing http {n} response body: ", |d, c| {
        d.runtime(crate::Runtime::Docker);
        if c.get(0) == "404" && d.after().trim_start().starts_with("invalid character '<'") {
            // A page, not a registry's error: something else answers at this address.
            d.status = Some(404);
            d.fault(
                Weight::Status,
                Fault::UnexpectedAnswer { status: Some(404) },
            );
        } else {
            numbered(d, c.get(0));
        }
        d.take_server_message();
    }),
    rule("error {n} \\({..}\\)!!1", |d, c| numbered(d, c.get(0))),
    // --- the bare text of a status, right behind a request: a proxy refused CONNECT (Go's
    // net/http prints nothing else), or a client without a body to quote ---
    rule(
        "^(forbidden|bad gateway|service unavailable|gateway timeout|unauthorized|method not allowed|bad request|internal server error|too many requests)",
        |d, _| {
            if !d.behind_request() || !d.ends_here() {
                worded(d);
                return;
            }
            let status = match d.phrase() {
                "forbidden" => 403,
                "bad gateway" => 502,
                "service unavailable" => 503,
                "gateway timeout" => 504,
                "method not allowed" => 405,
                "bad request" => 400,
                "internal server error" => 500,
                "too many requests" => 429,
                _ => {
                    // A proxy asks with 407; 401 is the registry's word (moby prints its code alone).
                    d.status = Some(401);
                    d.fault(Weight::Status, Fault::Unauthorized);
                    return;
                }
            };
            if status == 429 {
                d.status(status);
                return;
            }
            d.status = Some(status);
            d.fault(
                Weight::Wire,
                Fault::Proxy {
                    failure: ProxyFault::Refused { status },
                },
            );
        },
    ),
    // --- answers that are no registry's ---
    rule(
        "(unable to decode token response|authorization server did not include a token in the response|no realm specified for token auth challenge|token response did not include)",
        |d, _| {
            d.operation(Operation::Authorize);
            d.fault(Weight::Server, Fault::UnexpectedAnswer { status: None });
        },
    ),
    rule("can't talk to a v1 (container|docker) registry", |d, _| {
        d.fault(Weight::Server, Fault::UnexpectedAnswer { status: None });
    }),
    rule("failed to find supported auth scheme", |d, _| {
        d.fault(Weight::Server, Fault::UnexpectedAnswer { status: None });
    }),
];

/// The text of a status among other words: the class of an error, not a status line.
fn worded(d: &mut Draft<'_>) {
    match d.phrase() {
        "too many requests" => d.server(Fault::RateLimited),
        "unauthorized" => super::server::class(d, Fault::Unauthorized),
        "forbidden" => super::server::class(d, Fault::Forbidden),
        "method not allowed" | "bad request" => {}
        _ => {
            let status = d.status.filter(|status| *status >= 500);
            d.fault(Weight::Access, Fault::ServerError { status });
        }
    }
}

fn request(d: &mut Draft<'_>, method: Method, url: &str) {
    d.layer(Layer::Request);
    d.request(Some(method), url);
}

fn numbered(d: &mut Draft<'_>, number: &str) {
    if let Ok(status @ 300..=599) = number.parse() {
        d.status(status);
    }
}
