//! HTTP/1.1 over a Unix socket, one request per connection: enough for the API server behind
//! `kubectl proxy` and for the fault daemon's control socket, without an HTTP client crate.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Most bytes of an answer that are read.
const LIMIT: u64 = 64 << 20;

/// Sends one request and returns status and body.
///
/// # Errors
/// When the socket does not answer or the answer is no HTTP.
pub fn request(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&[u8]>,
) -> Result<(u16, Vec<u8>)> {
    let context = || format!("failed to ask {method} {path} of {}", socket.display());
    let mut stream = UnixStream::connect(socket).with_context(context)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    // HTTP/1.0: the answer ends with the connection and is never chunked.
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n");
    if let Some(body) = body {
        let _ = write!(
            head,
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).with_context(context)?;
    stream
        .write_all(body.unwrap_or_default())
        .with_context(context)?;
    let mut answer = Vec::new();
    stream
        .take(LIMIT)
        .read_to_end(&mut answer)
        .with_context(context)?;
    parse(&answer).with_context(context)
}

fn parse(answer: &[u8]) -> Result<(u16, Vec<u8>)> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("the answer has no end of headers");
    };
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head);
    let status = head
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|code| code.parse().ok())
        .context("the answer has no status")?;
    Ok((status, body.get(4..).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_read() {
        let (status, body) = parse(b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n{}").unwrap();
        assert_eq!((status, body.as_slice()), (404, b"{}".as_slice()));
        assert!(parse(b"nonsense").is_err());
    }
}
