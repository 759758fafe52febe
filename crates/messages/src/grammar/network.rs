//! Go's network errors, and those of Windows, curl and Rust clients.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::{DnsFault, Fault, Operation, ProxyFault, Runtime};

fn dns(d: &mut Draft<'_>, failure: DnsFault) {
    d.net(Fault::Dns { failure });
}

pub(super) const RULES: &[Rule] = &[
    // --- wrappers ---
    rule("lookup {addr}< on {addr}>: ", |d, c| {
        let server = (c.slots.len() > 1).then(|| c.get(1));
        d.lookup(c.get(0), server);
    }),
    rule("lookup {w}: ", |d, c| d.lookup(c.get(0), None)),
    rule("dial (tcp|tcp4|tcp6|udp) {addr}: ", |d, c| d.dial(c.get(0))),
    rule("dial (tcp|tcp4|tcp6|udp) {addr}->{addr}: ", |d, c| {
        d.dial(c.get(1));
    }),
    rule("dial (unix|npipe) {w}", |d, c| d.socket(c.get(0))),
    rule("open //./pipe/{w}", |d, c| d.socket(c.get(0))),
    rule("(read|write) (tcp|udp) {addr}->{addr}: ", |d, _| {
        d.read_stage();
    }),
    rule("proxyconnect tcp: ", |d, _| d.proxy()),
    rule("socks connect tcp {..}: ", |d, _| d.proxy()),
    // Go up to 1.9 (`net/http/transport.go`).
    rule("http: error connecting to proxy {w}: ", |d, _| d.proxy()),
    // --- DNS ---
    rule("(no such host is known|no such host)", |d, _| {
        dns(d, DnsFault::NoSuchHost);
    }),
    rule("server misbehaving", |d, _| {
        dns(d, DnsFault::ServerMisbehaving);
    }),
    rule(
        "(cannot unmarshal dns message|lame referral|no answer from dns server|unrecognized address|invalid dns response|no suitable dns server|no nameservers|server returned error)",
        |d, _| {
            if d.facts.dns_name.is_some() {
                dns(d, DnsFault::ServerMisbehaving);
            }
        },
    ),
    rule(
        "(device or resource busy|this is usually a temporary error during hostname resolution)",
        |d, _| {
            if d.facts.dns_name.is_some() {
                dns(d, DnsFault::Temporary);
            }
        },
    ),
    rule("temporary failure in name resolution", |d, _| {
        dns(d, DnsFault::Temporary);
    }),
    rule("(temporary error|try again)", |d, _| {
        if d.preceding().ends_with(": ") && d.facts.dns_name.is_some() {
            dns(d, DnsFault::Temporary);
        }
    }),
    rule(
        "(name or service not known|nodename nor servname provided|no address associated with hostname|name does not resolve)",
        |d, _| {
            dns(d, DnsFault::NoSuchHost);
        },
    ),
    rule("could not resolve (host|proxy)<: {w}>", |d, c| {
        let name = c.get(0);
        if d.phrase().contains("proxy") {
            d.proxy();
        }
        if !name.is_empty() {
            d.facts.dns_name = Some(crate::text::keep(name, 255));
        }
        dns(d, DnsFault::NoSuchHost);
    }),
    rule("failed to lookup address information: ", |d, _| {
        d.fault(
            Weight::Status,
            Fault::Dns {
                failure: DnsFault::Other,
            },
        );
    }),
    rule("(getaddrinfo|getaddrinfow): <no such host>", |d, _| {
        dns(d, DnsFault::NoSuchHost);
    }),
    rule("getaddrinfo (enotfound|eai_again) {w}", |d, c| {
        d.facts.dns_name = Some(crate::text::keep(c.get(0), 255));
        let failure = if d.phrase().contains("again") {
            DnsFault::Temporary
        } else {
            DnsFault::NoSuchHost
        };
        dns(d, failure);
    }),
    // --- TCP ---
    rule(
        "<connect: |getsockopt: |read: >connection refused",
        |d, _| d.net(Fault::Refused),
    ),
    rule("(actively refused it|machine actively refused)", |d, _| {
        d.net(Fault::Refused);
    }),
    rule("no route to host", |d, _| d.net(Fault::NoRoute)),
    rule("host is (unreachable|down)", |d, _| d.net(Fault::NoRoute)),
    rule(
        "(network is unreachable|network is down|cannot assign requested address|unreachable network|unreachable host)",
        |d, _| {
            d.net(Fault::NetworkUnreachable);
        },
    ),
    rule("no suitable address found", |d, _| {
        d.net(Fault::NetworkUnreachable);
    }),
    rule("address family not supported by protocol", |d, _| {
        d.net(Fault::NetworkUnreachable);
    }),
    rule(
        "(connect: operation not permitted|connect: permission denied)",
        |d, _| d.net(Fault::NoRoute),
    ),
    rule("i/o timeout", |d, _| d.net(Fault::DialTimeout)),
    rule(
        "<connect: >(connection timed out|operation timed out)",
        |d, _| d.net(Fault::DialTimeout),
    ),
    rule(
        "(connected party did not properly respond|did not properly respond after a period of time)",
        |d, _| {
            d.net(Fault::DialTimeout);
        },
    ),
    rule("operation was canceled", |d, _| {
        d.fault(Weight::Hint, Fault::Cancelled);
    }),
    rule("timeout awaiting response headers", |d, _| {
        d.net(Fault::HeaderTimeout);
    }),
    rule(
        "client.timeout exceeded while (awaiting headers|reading body)",
        |d, _| d.net(Fault::HeaderTimeout),
    ),
    rule("request canceled while waiting for connection", |d, _| {
        d.net(Fault::DialTimeout);
    }),
    rule("request canceled \\(client.timeout exceeded", |d, _| {
        d.net(Fault::HeaderTimeout);
    }),
    rule("(tls handshake timeout|tls: handshake timeout)", |d, _| {
        d.net(Fault::TlsHandshakeTimeout);
    }),
    // --- cuts ---
    rule("<read: |write: >connection reset by peer", |d, _| {
        d.net(Fault::Interrupted);
    }),
    rule(
        "(an existing connection was forcibly closed|forcibly closed by the remote host|broken pipe|use of closed network connection)",
        |d, _| {
            d.net(Fault::Interrupted);
        },
    ),
    rule("^unexpected eof", |d, _| eof(d)),
    rule("^eof", |d, _| {
        if d.ends_here() || d.after().starts_with('.') {
            eof(d);
        }
    }),
    rule("server sent goaway", |d, _| d.net(Fault::Interrupted)),
    rule("stream error: stream id {n}", |d, _| {
        d.net(Fault::Interrupted);
    }),
    rule("http2: client connection lost", |d, _| {
        d.net(Fault::Interrupted);
    }),
    // containerd's pkg/content helpers: while a blob is copied.
    rule("short read: expected {n} bytes but got {n}", |d, _| {
        d.operation(Operation::Blob);
        d.net(Fault::Interrupted);
    }),
    rule("failed to read expected number of bytes", |d, _| {
        d.operation(Operation::Blob);
        d.net(Fault::Interrupted);
    }),
    rule("failed to copy after {n} retries", |d, _| {
        d.fault(Weight::Server, Fault::Interrupted);
    }),
    rule(
        "(transfer closed with|server closed idle connection|http2: stream closed|connection closed before message completed)",
        |d, _| {
            d.net(Fault::Interrupted);
        },
    ),
    // --- redirects, proxies ---
    rule("stopped after {n} redirects", |d, _| {
        d.net(Fault::RedirectLoop);
    }),
    rule(
        "(failed to parse proxy|invalid proxy|unknown proxy scheme|proxy: unknown scheme|invalid proxy address)",
        |d, _| {
            d.fault(
                Weight::Wire,
                Fault::Proxy {
                    failure: ProxyFault::Misconfigured,
                },
            );
        },
    ),
    rule("proxy authentication required", |d, _| {
        d.status = Some(407);
        d.fault(
            Weight::Wire,
            Fault::Proxy {
                failure: ProxyFault::LoginRequired,
            },
        );
    }),
    // --- the runtime's own socket ---
    rule("transport: error while dialing<: >", |d, _| {
        d.exact(Fault::RuntimeUnavailable);
    }),
    // The kubelet speaks to a runtime through a file; gRPC over TCP is another program's.
    rule("transport: error while dialing<: ><\">dial tcp", |d, _| {
        super::kubelet::not_a_pull(d);
    }),
    rule("error reading from server: eof", |d, _| {
        d.exact(Fault::RuntimeUnavailable);
    }),
    rule(
        "(the connection is closing|transport is closing|server is not initialized yet)",
        |d, _| {
            d.exact(Fault::RuntimeUnavailable);
        },
    ),
    rule("unknown service runtime.v1", |d, _| {
        d.runtime(Runtime::Containerd);
        d.exact(Fault::RuntimeUnavailable);
    }),
];

/// An end of the stream: inside a download the connection broke; where an archive was being read
/// the archive is broken.
fn eof(d: &mut Draft<'_>) {
    if d.operation == Some(crate::Operation::Unpack) {
        d.exact(Fault::BrokenArchive);
    } else {
        d.net(Fault::Interrupted);
    }
}
