//! Through a proxy: CONNECT and SOCKS 5.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::fault::Fault;
use super::origin::Origin;
use crate::judge::{ErrorBody, Problem, ProxyFacts, ProxyUrl, parse_error_body};

/// Most bytes of a proxy's answer.
const MOST_HEAD: usize = 16 * 1024;
/// Most bytes of what it says beside.
const MOST_BODY: usize = 4 * 1024;

/// Asks a proxy for a connection to the target, in plain HTTP or inside TLS.
pub(super) async fn connect<S>(
    stream: &mut S,
    proxy: &ProxyUrl,
    target: &Origin,
    user_agent: &str,
    limit: Duration,
    facts: &mut ProxyFacts,
) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let work = async {
        let target = target.host_and_port();
        let mut request =
            format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {user_agent}\r\n");
        if let Some(login) = login_header(proxy) {
            request.push_str("Proxy-Authorization: ");
            request.push_str(&login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(cut)?;
        let head = read_head(stream).await?;
        let status = status_of(&head)
            .ok_or_else(|| Fault::new(Problem::ProxyFailed, "its answer to CONNECT is not HTTP"))?;
        facts.status = Some(status);
        if (200..300).contains(&status) {
            return Ok(());
        }
        let mut body = Vec::new();
        // What it says beside may never end: a moment is enough.
        let rest = (&mut *stream).take(MOST_BODY as u64);
        tokio::pin!(rest);
        let _ = timeout(Duration::from_millis(300), rest.read_to_end(&mut body)).await;
        let said = parse_error_body(&body);
        let text = said
            .summary()
            .map_or_else(String::new, |text| format!(": {text}"));
        if said != ErrorBody::default() {
            facts.error = Some(said);
        }
        Err(Fault::new(
            Problem::ProxyRefused,
            format!("`{proxy}` answered {status} to CONNECT{text}"),
        ))
    };
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Fault::new(
            Problem::ProxyFailed,
            format!("`{proxy}` did not answer CONNECT"),
        ))
    })
}

/// The value of `Proxy-Authorization`: a secret.
pub(super) fn login_header(proxy: &ProxyUrl) -> Option<String> {
    let (name, password) = proxy.login.as_ref()?;
    let login = STANDARD.encode(format!("{name}:{}", password.expose()));
    Some(format!("Basic {login}"))
}

fn cut(error: impl std::fmt::Display) -> Fault {
    Fault::new(
        Problem::ProxyFailed,
        format!("the proxy's connection ended: {error}"),
    )
}

/// Byte by byte: what follows the head belongs to the target already.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, Fault> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MOST_HEAD {
            return Err(Fault::new(
                Problem::ProxyFailed,
                "its answer to CONNECT is too long",
            ));
        }
        head.push(stream.read_u8().await.map_err(cut)?);
    }
    Ok(head)
}

fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let text = std::str::from_utf8(line).ok()?;
    let rest = text.strip_prefix("HTTP/1.")?;
    rest.get(2..5)?.parse().ok()
}

/// Asks a SOCKS 5 proxy (RFC 1928, 1929); the proxy resolves the name.
pub(super) async fn socks<S>(
    stream: &mut S,
    proxy: &ProxyUrl,
    target: &Origin,
    limit: Duration,
) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refused = |what: &str| Fault::new(Problem::ProxyRefused, format!("`{proxy}` {what}"));
    let work = async {
        let method = if proxy.login.is_some() { 2 } else { 0 };
        stream.write_all(&[5, 1, method]).await.map_err(cut)?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.map_err(cut)?;
        if answer[0] != 5 {
            return Err(Fault::new(
                Problem::ProxyFailed,
                format!("`{proxy}` speaks no SOCKS 5"),
            ));
        }
        if answer[1] != method {
            return Err(refused("refuses the way of logging in"));
        }
        if let Some((name, password)) = &proxy.login {
            let mut login = vec![1];
            for part in [name.as_bytes(), password.expose().as_bytes()] {
                let length =
                    u8::try_from(part.len()).map_err(|_| refused("cannot take so long a login"))?;
                login.push(length);
                login.extend_from_slice(part);
            }
            stream.write_all(&login).await.map_err(cut)?;
            stream.read_exact(&mut answer).await.map_err(cut)?;
            if answer[1] != 0 {
                return Err(refused("refuses the login"));
            }
        }
        let host = target.host.as_bytes();
        let length = u8::try_from(host.len()).map_err(|_| refused("cannot take so long a name"))?;
        let mut request = vec![5, 1, 0, 3, length];
        request.extend_from_slice(host);
        request.extend_from_slice(&target.port.to_be_bytes());
        stream.write_all(&request).await.map_err(cut)?;
        let mut reply = [0; 4];
        stream.read_exact(&mut reply).await.map_err(cut)?;
        if reply[1] != 0 {
            return Err(refused(match reply[1] {
                2 => "does not allow the connection",
                3 => "says that the network is unreachable",
                4 => "says that the host is unreachable",
                5 => "says that the port refuses connections",
                _ => "failed to connect",
            }));
        }
        let rest = match reply[3] {
            1 => 4,
            4 => 16,
            _ => usize::from(stream.read_u8().await.map_err(cut)?),
        };
        let mut bound = vec![0; rest + 2];
        stream.read_exact(&mut bound).await.map_err(cut)?;
        Ok(())
    };
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Fault::new(
            Problem::ProxyFailed,
            format!("`{proxy}` did not answer"),
        ))
    })
}
