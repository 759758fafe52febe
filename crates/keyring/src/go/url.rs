//! `net/url` and `net`, as far as a key of a Docker config goes through them: the host and the
//! path of an absolute http URL. Over bytes, since unescaping makes any of them.

use std::net::Ipv6Addr;

/// The two parts of a URL that the keyring looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// `URL.Host`: unescaped, with the port, without user information.
    pub(crate) host: Vec<u8>,
    /// `URL.Path`: unescaped.
    pub(crate) path: Vec<u8>,
}

/// Why a URL does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlFault {
    /// A control character.
    ControlCharacter,
    /// A `%` without two hexadecimal digits, or one that is not allowed where it stands.
    Escape,
    /// A character that no host name has, a space for instance.
    HostCharacter(u8),
    /// What follows the host's colon is no number.
    Port,
    /// Square brackets around something that is no IPv6 address.
    IpLiteral,
    /// Something before an `@` that cannot be a user.
    UserInfo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

/// `url.Parse` of `https://` and `rest`. `http://` gives the same host and path.
pub(crate) fn parse_after_scheme(rest: &[u8]) -> Result<Url, UrlFault> {
    let (rest, fragment) = cut(rest, b'#');
    if rest.iter().any(u8::is_ascii_control) {
        return Err(UrlFault::ControlCharacter);
    }
    let (rest, _query) = cut(rest, b'?');
    let slash = find(rest, b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    let host = match authority.iter().rposition(|byte| *byte == b'@') {
        None => parse_host(authority)?,
        Some(at) => {
            let host = parse_host(&authority[at + 1..])?;
            check_user(&authority[..at])?;
            host
        }
    };
    let path = unescape(path, Part::Path)?;
    unescape(fragment, Part::Fragment)?;
    Ok(Url { host, path })
}

/// `net.SplitHostPort`, with the whole as host and no port where it fails.
pub(crate) fn split_port(host: &[u8]) -> (&[u8], &[u8]) {
    split_host_port(host).unwrap_or((host, &[]))
}

fn split_host_port(hostport: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = hostport.iter().rposition(|byte| *byte == b':')?;
    let (host, no_open, no_close);
    if hostport[0] == b'[' {
        let end = find(hostport, b']')?;
        if end + 1 != colon {
            return None;
        }
        host = &hostport[1..end];
        (no_open, no_close) = (1, end + 1);
    } else {
        host = &hostport[..colon];
        if host.contains(&b':') {
            return None;
        }
        (no_open, no_close) = (0, 0);
    }
    if hostport[no_open..].contains(&b'[') || hostport[no_close..].contains(&b']') {
        return None;
    }
    Some((host, &hostport[colon + 1..]))
}

/// `parseHost`, with the strict colons of http and https (`urlstrictcolons=1`, Go 1.26).
fn parse_host(host: &[u8]) -> Result<Vec<u8>, UrlFault> {
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => return parse_ip_literal(host),
        Some(_) => return Err(UrlFault::IpLiteral),
        None => {}
    }
    if let Some(colon) = find(host, b':') {
        check_port(&host[colon..])?;
    }
    unescape(host, Part::Host)
}

fn parse_ip_literal(host: &[u8]) -> Result<Vec<u8>, UrlFault> {
    let close = host
        .iter()
        .rposition(|byte| *byte == b']')
        .ok_or(UrlFault::IpLiteral)?;
    let port = &host[close + 1..];
    check_port(port)?;
    let inside = &host[1..close];
    let address = match inside.windows(3).position(|three| three == b"%25") {
        Some(zone) => {
            let mut address = unescape(&inside[..zone], Part::Host)?;
            address.extend(unescape(&inside[zone..], Part::Zone)?);
            address
        }
        None => unescape(inside, Part::Host)?,
    };
    if !is_ipv6(&address) {
        return Err(UrlFault::IpLiteral);
    }
    let mut host = Vec::with_capacity(host.len());
    host.push(b'[');
    host.extend(address);
    host.push(b']');
    host.extend_from_slice(port);
    Ok(host)
}

/// Whether `netip.ParseAddr` reads an IPv6 address.
fn is_ipv6(text: &[u8]) -> bool {
    let address = match find(text, b'%') {
        // An empty zone is an error.
        Some(zone) if zone + 1 == text.len() => return false,
        Some(zone) => &text[..zone],
        None => text,
    };
    str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn check_port(port: &[u8]) -> Result<(), UrlFault> {
    match port {
        [] => Ok(()),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(UrlFault::Port),
    }
}

fn check_user(user: &[u8]) -> Result<(), UrlFault> {
    let is_allowed =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if !user.iter().all(is_allowed) {
        return Err(UrlFault::UserInfo);
    }
    let (name, password) = cut(user, b':');
    unescape(name, Part::User)?;
    unescape(password, Part::User)?;
    Ok(())
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, UrlFault> {
    let is_host = matches!(part, Part::Host | Part::Zone);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'%' {
            let value = text
                .get(at + 1..at + 3)
                .and_then(|digits| Some(hex(digits[0])? << 4 | hex(digits[1])?))
                .ok_or(UrlFault::Escape)?;
            let is_percent = text[at + 1..].starts_with(b"25");
            let refused = match part {
                Part::Host => value < 0x80 && !is_percent,
                Part::Zone => !is_percent && value != b' ' && !is_host_character(value),
                Part::Path | Part::User | Part::Fragment => false,
            };
            if refused {
                return Err(UrlFault::Escape);
            }
            out.push(value);
            at += 3;
            continue;
        }
        if is_host && byte < 0x80 && !is_host_character(byte) {
            return Err(UrlFault::HostCharacter(byte));
        }
        out.push(byte);
        at += 1;
    }
    Ok(out)
}

/// What `shouldEscape` lets stand in a host.
fn is_host_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$&'()*+,;=:[]<>\"-_.~".contains(&byte)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn find(text: &[u8], byte: u8) -> Option<usize> {
    text.iter().position(|other| *other == byte)
}

/// What stands before the first `byte`, and what behind it.
fn cut(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match find(text, byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, String), UrlFault> {
        parse_after_scheme(text.as_bytes()).map(|url| {
            (
                String::from_utf8(url.host).unwrap(),
                String::from_utf8(url.path).unwrap(),
            )
        })
    }

    fn check(text: &str, host: &str, path: &str) {
        assert_eq!(parsed(text), Ok((host.to_owned(), path.to_owned())));
    }

    #[test]
    fn hosts_and_paths_come_out_unescaped() {
        check("a.io:5000/b%20c?d#e", "a.io:5000", "/b c");
        check("u:p@a.io", "a.io", "");
        check("a.io?b/c", "a.io", "");
        check("HTTPS://a.io", "HTTPS:", "//a.io");
        check("[::1]:5000/x", "[::1]:5000", "/x");
        check("[fe80::1%25eth0]", "[fe80::1%eth0]", "");
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(parsed("a b.io"), Err(UrlFault::HostCharacter(b' ')));
        assert_eq!(parsed("a.io:x"), Err(UrlFault::Port));
        assert_eq!(parsed("a.io:1:2"), Err(UrlFault::Port));
        assert_eq!(parsed("a.io\n"), Err(UrlFault::ControlCharacter));
        assert_eq!(parsed("a.io/%zz"), Err(UrlFault::Escape));
        assert_eq!(parsed("a%41.io"), Err(UrlFault::Escape));
        assert_eq!(parsed("[1.2.3.4]"), Err(UrlFault::IpLiteral));
        assert_eq!(parsed("a\\b@c"), Err(UrlFault::UserInfo));
    }

    #[test]
    fn ports_are_split_off_as_go_does() {
        assert_eq!(split_port(b"a.io:5000"), (&b"a.io"[..], &b"5000"[..]));
        assert_eq!(split_port(b"a.io"), (&b"a.io"[..], &b""[..]));
        assert_eq!(split_port(b"[::1]:5000"), (&b"::1"[..], &b"5000"[..]));
        assert_eq!(split_port(b"[::1]"), (&b"[::1]"[..], &b""[..]));
        assert_eq!(split_port(b""), (&b""[..], &b""[..]));
    }
}
