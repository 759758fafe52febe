//! `labd`: the lab's DNS server and all its faulty registries, in one process.
//!
//! # Start
//! ```text
//! labd --listen-ip 10.77.0.1 --state DIR [--busybox /bin/busybox]
//!      [--refuse-ip 10.77.0.2] [--drop-ip 10.77.0.3] [--dns-port 53] [--outsider 10.77.0.8]
//! ```
//! It runs in the lab's network namespace until SIGTERM or SIGINT. It serves DNS on
//! `listen-ip:53` (UDP and TCP; names that are not declared do not exist) and opens a TCP port of
//! `listen-ip` when the first host on it is declared. In `DIR` it writes `ca.pem` (the company
//! authority that nodes are to trust), `ca.key` (read again at the next start, so trust lasts),
//! `client.pem` and `client.key` (accepted by hosts in mode `mtls`), and listens on
//! `control.sock`. It is ready once `GET /health` answers.
//!
//! `--refuse-ip` is an address of the namespace on which nothing listens; `--drop-ip` one whose
//! packets the lab drops. They are what a host with `listen: refuse` or `listen: drop` resolves
//! to. For an `--outsider` no declared name exists.
//!
//! The tokens of Bearer hosts are real ones: a registry that is told `jwks.json` of `DIR` as its
//! key set and `testkit` as its issuer takes those that a host with its service name issues.
//!
//! # Control
//! HTTP/1 with JSON over the Unix socket `DIR/control.sock`. Errors are
//! `{"error": "message: cause: cause"}` with 400 (bad specification; unknown fields are errors),
//! 404 (no such host), 409 (port cannot be opened).
//!
//! | request | does | answers |
//! |---|---|---|
//! | `GET /health` | | `{"ok": true, "dns": "10.77.0.1:53", "hosts": 3}` |
//! | `GET /hosts` | | `["a.lab", "b.lab"]` |
//! | `PUT /hosts/{name}` | declares a host, or declares it anew (log and counters start again) | host |
//! | `GET /hosts/{name}` | | host |
//! | `DELETE /hosts/{name}` | forgets it; the name does not exist any more | 204 |
//! | `PUT /hosts/{name}/faults` | replaces its faults only (a JSON list) | 204 |
//! | `GET /hosts/{name}/log` | | the last 10,000 requests, oldest first |
//! | `DELETE /hosts/{name}/log` | forgets them | 204 |
//!
//! A *host* is `{"name", "base_url": "https://a.lab", "authority": "a.lab", "images":
//! [{"repository", "tag", "digest"}], "spec": …}`. A log entry is `{"client", "method", "host",
//! "path", "query", "authorization": "none|basic|bearer|other", "user_agent", "status": 200 or
//! null where the connection was closed instead, "fault": number or null}`; credentials are never
//! kept.
//!
//! ```text
//! CTL="curl -sS --fail-with-body --unix-socket DIR/control.sock"
//! $CTL http://lab/health
//! $CTL -X PUT http://lab/hosts/registry.lab -d '{
//!   "repositories": [{"name": "shop/api", "tags": [{"tag": "1"}, {"tag": "2", "image": "big:64M"}]}]}'
//! $CTL -X PUT http://lab/hosts/private.lab -d '{
//!   "auth": {"kind": "basic", "users": [{"name": "ci", "password": "pw", "pull": ["shop/*"]}]},
//!   "repositories": [{"name": "shop/api", "tags": [{"tag": "1"}]}]}'
//! $CTL -X PUT http://lab/hosts/auth.lab -d '{}'
//! $CTL -X PUT http://lab/hosts/hub.lab -d '{
//!   "auth": {"kind": "bearer", "realm": "https://auth.lab/token", "anonymous_pull": ["public/**"],
//!            "users": [{"name": "ci", "password": "pw"}]},
//!   "repositories": [{"name": "public/web", "tags": [{"tag": "1"}]}]}'
//! $CTL -X PUT http://lab/hosts/limited.lab -d '{
//!   "repositories": [{"name": "shop/api", "tags": [{"tag": "1"}]}],
//!   "faults": [{"path": "/v2/**/manifests/*", "status": 429, "headers": {"Retry-After": "60"},
//!               "body": "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"slow down\"}]}"}]}'
//! $CTL -X PUT http://lab/hosts/gone.lab    -d '{"dns": {"answer": "servfail"}}'
//! $CTL -X PUT http://lab/hosts/onenode.lab -d '{"dns": {"clients": {"10.77.0.12": "nxdomain"}}}'
//! $CTL -X PUT http://lab/hosts/dead.lab    -d '{"listen": "refuse", "port": 5000}'
//! $CTL -X PUT http://lab/hosts/plain.lab   -d '{"tls": "plain-http", "port": 5000}'
//! $CTL -X PUT http://lab/hosts/old.lab     -d '{"tls": "expired"}'
//! $CTL -X PUT http://lab/hosts/cdn.lab     -d '{"listen": "drop"}'
//! $CTL -X PUT http://lab/hosts/shop.lab    -d '{"redirect_blobs": "cdn.lab",
//!   "repositories": [{"name": "a", "tags": [{"tag": "1"}]}]}'
//! $CTL -X PUT http://lab/hosts/limited.lab/faults -d '[]'
//! $CTL http://lab/hosts/limited.lab/log
//! ```
//!
//! # The specification of a host
//! Every field has a default; `{}` is an open, empty registry on 443 with a good certificate.
//! The types are in `src/spec.rs`.
//!
//! - `dns`: `{"answer": "ok|nxdomain|servfail|refused|silent|nodata", "address": IP or "refuse" or
//!   "drop", "clients": {SOURCE-IP: answer}}`.
//! - `port`: 443. Hosts share a port by SNI and Host header. On any port but 443 a host that is
//!   alone there answers to every name, its address too (mirrors).
//! - `tls`: `ok`, `expired`, `not-yet-valid`, `wrong-name`, `unknown-ca`, `self-signed`,
//!   `no-intermediate`, `mtls`, `common-name-only`, `plain-http`, `off` (an SSH banner). A name
//!   that nobody declared gets a certificate for another name.
//! - `listen`: `accept`, `refuse`, `drop`, `silent` (accepted, handshake never answered), `close`
//!   (closed at the client's first bytes).
//! - `http2`: offers HTTP/2 by ALPN; false.
//! - `auth`: `{"kind": "none"}`; `{"kind": "basic", "users": [USER], "anonymous_pull": [GLOB]}`;
//!   `{"kind": "bearer", "realm": URL, "service": text, "users": [USER], "anonymous_pull": [GLOB],
//!   "anonymous_refusal" and "user_refusal": "empty-scope|unauthorized|forbidden" (what the token
//!   service does without the right: a token without the scope, 401 or 403), "scope_refusal":
//!   "unauthorized|forbidden" (what the registry does with such a token), "token_seconds": 300 (0:
//!   already expired), "no_post": false}`. USER is `{"name", "password", "pull": [GLOB] (default
//!   everything), "expired": false}`. Without the right, missing and private repositories answer
//!   alike; with it, a missing repository is `NAME_UNKNOWN` and a missing tag `MANIFEST_UNKNOWN`.
//!   The token service of a realm on another declared host is served there.
//! - `repositories`: `[{"name": "shop/api", "tags": [{"tag": "1", "image": KIND}]}]`. KIND: `tiny`
//!   (default), `docker-tiny`, `big:64M`, `big:8*64M`, `index:amd64+arm64`, `arm64-only`,
//!   `arm64-single`, `schema1`, `helm`, `cosign`, `plugin`, `corrupt-layer`, `truncated-layer`,
//!   `missing-layer`, `missing-config`, `missing-manifest`, `wrong-size`, `wrong-diff-id`,
//!   `bad-gzip`, `bad-tar` (see `src/image/kind.rs`). Runnable ones sleep.
//! - `salt`: text in every layer, the host's name by default: images of different hosts share no
//!   blob, and the same specification always gives the same digests.
//! - `content_of`: serves the content of another declared host; `redirect_blobs`: a host (or URL)
//!   to which blob reads are redirected.
//! - `tags_page`: most tags on a page of `tags/list`; 0 for all.
//! - `faults`: tried in order, the first that matches and is not used up is applied:
//!   - matching: `method`, `path` and `host` (globs: `*` within a segment, `**` across),
//!     `authenticated` (true, false), `skip` (lets N pass first), `times` (then no more);
//!   - another answer: `status`, `headers`, `body`, `redirect` (URL; without a path it keeps the
//!     request's);
//!   - spoiling: `delay_ms`, `stall_after`, `cut_after`, `wire_cut_after` (bytes of the answer
//!     with its head), `hang_up` (true: no answer), `cut` (`close|reset`), `truncate_after`,
//!     `corrupt_at`, `trickle` (`{"bytes": 1, "every_ms": 1000}`).

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use pulldoctor_testkit::labd::{Daemon, DaemonError, Options, serve_control};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text.push_str(": ");
                text.push_str(&error.to_string());
                cause = error.source();
            }
            let _ = writeln!(io::stderr(), "labd: failed to {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let daemon = Arc::new(Daemon::start(options).await?);
    let socket = daemon.control_path();
    let ended: Result<(), DaemonError> = tokio::select! {
        ended = serve_control(daemon) => ended,
        _ = terminate.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    // Whoever waits for the daemon's end looks for this file.
    let _ = std::fs::remove_file(socket);
    Ok(ended?)
}
