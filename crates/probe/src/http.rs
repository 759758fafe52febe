//! HTTP/1.1 by hand: one request, one answer, a bound on everything.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use pulldoctor_registry::judge::{Fault, Problem, cut_text, mask, secret_forms};

use crate::deadline::is_timeout;
use crate::tls::late_alert;

/// Most bytes of a head.
const MOST_HEAD: usize = 64 * 1024;
/// Most headers.
const MOST_HEADERS: usize = 128;
/// Most bytes of a refusal's body.
const MOST_ERROR: usize = 16 * 1024;
/// Most bytes of one line of a chunked body, and most lines after the last chunk.
const MOST_CHUNK_LINE: usize = 1024;
const MOST_TRAILERS: usize = 64;

/// A request without a body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// GET or HEAD.
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) target: String,
    /// `host[:port]`.
    pub(crate) authority: String,
    pub(crate) accept: Option<&'static str>,
    /// An anonymous token, with its scheme.
    pub(crate) authorization: Option<String>,
    /// Ask for the first byte only.
    pub(crate) is_taste: bool,
    /// Most bytes of a good answer's body.
    pub(crate) most: usize,
}

impl Request {
    fn bytes(&self, user_agent: &str) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {user_agent}\r\n",
            self.method, self.target, self.authority
        );
        let mut header = |name: &str, value: &str| {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        };
        if let Some(accept) = self.accept {
            header("Accept", accept);
        }
        if let Some(authorization) = &self.authorization {
            header("Authorization", authorization);
        }
        if self.is_taste {
            header("Range", "bytes=0-0");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// An answer whose body has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case. A value that is no text is left out.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body went on beyond its bound.
    pub(crate) is_cut_short: bool,
    /// The connection may be asked again.
    pub(crate) is_reusable: bool,
    pub(crate) first_byte: Duration,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn headers_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Takes the authorization out that a hostile registry repeats. The body of a good answer is
    /// not shown, and has to keep its digest; where a redirect leads is followed as it stands.
    pub(crate) fn forget(&mut self, authorization: &str) {
        let token = authorization
            .split_once(' ')
            .map_or(authorization, |(_, token)| token);
        let secrets = secret_forms(vec![token.as_bytes().to_vec()]);
        for (name, value) in &mut self.headers {
            if name != "location"
                && let Some(masked) = mask(value.as_bytes(), &secrets)
            {
                *value = String::from_utf8_lossy(&masked).into_owned();
            }
        }
        if !self.is_success()
            && let Some(masked) = mask(&self.body, &secrets)
        {
            self.body = masked;
        }
    }
}

/// Sends a request and reads the whole answer. The stream knows when to give up.
pub(crate) fn exchange<S: Read + Write>(
    stream: &mut S,
    request: &Request,
    user_agent: &str,
) -> Result<Answer, Fault> {
    let start = Instant::now();
    stream
        .write_all(&request.bytes(user_agent))
        .and_then(|()| stream.flush())
        .map_err(|error| fault_of(&error))?;
    let mut reader = Reader {
        stream,
        buffer: Vec::new(),
        at: 0,
    };
    loop {
        let head = read_head(&mut reader, start)?;
        // Interim answers are skipped; 101 was not asked for and ends the talk.
        if (100..200).contains(&head.status) && head.status != 101 {
            continue;
        }
        return read_body(&mut reader, request, head);
    }
}

/// What an error of the socket means.
fn fault_of(error: &io::Error) -> Fault {
    if let Some(fault) = late_alert(error) {
        return fault;
    }
    if is_timeout(error) {
        return Fault::new(
            Problem::HttpTimeout,
            "net/http: timeout awaiting response headers",
        );
    }
    Fault::new(Problem::HttpCut, cut_text(error))
}

struct Reader<'a, S> {
    stream: &'a mut S,
    buffer: Vec<u8>,
    /// Where the unread part begins.
    at: usize,
}

impl<S: Read> Reader<'_, S> {
    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> Result<bool, Fault> {
        if self.at > 64 * 1024 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.buffer.extend_from_slice(&piece[..count]);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some servers close without a farewell of TLS: an end like any other.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(fault_of(&error)),
            }
        }
    }

    fn line(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(end) = self.rest().iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.rest()[..end])
                    .trim_end()
                    .to_owned();
                self.at += end + 1;
                return Ok(line);
            }
            if self.rest().len() > MOST_CHUNK_LINE {
                return Err(malformed());
            }
            if !self.fill()? {
                return Err(unexpected_end());
            }
        }
    }
}

fn malformed() -> Fault {
    Fault::new(Problem::HttpMalformed, "malformed HTTP response")
}

fn unexpected_end() -> Fault {
    Fault::new(Problem::HttpCut, "unexpected EOF")
}

fn read_head<S: Read>(reader: &mut Reader<'_, S>, start: Instant) -> Result<Answer, Fault> {
    let mut first_byte = None;
    loop {
        if !reader.rest().is_empty() {
            first_byte.get_or_insert_with(|| start.elapsed());
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(reader.rest()) {
                Ok(httparse::Status::Complete(length)) => {
                    let answer = Answer {
                        status: response.code.unwrap_or_default(),
                        headers: response
                            .headers
                            .iter()
                            .filter_map(|header| {
                                let value = std::str::from_utf8(header.value).ok()?;
                                Some((header.name.to_ascii_lowercase(), value.to_owned()))
                            })
                            .collect(),
                        body: Vec::new(),
                        is_cut_short: false,
                        is_reusable: response.version == Some(1),
                        first_byte: first_byte.unwrap_or_default(),
                    };
                    reader.at += length;
                    return Ok(answer);
                }
                Ok(httparse::Status::Partial) => {}
                Err(httparse::Error::TooManyHeaders) => return Err(head_too_large()),
                Err(_) => return Err(malformed()),
            }
            if reader.rest().len() > MOST_HEAD {
                return Err(head_too_large());
            }
        }
        if !reader.fill()? {
            let text = if reader.rest().is_empty() {
                "EOF"
            } else {
                "unexpected EOF"
            };
            return Err(Fault::new(Problem::HttpCut, text));
        }
    }
}

fn head_too_large() -> Fault {
    Fault::new(Problem::HttpTooLarge, "the head of the answer is too large")
}

fn read_body<S: Read>(
    reader: &mut Reader<'_, S>,
    request: &Request,
    mut answer: Answer,
) -> Result<Answer, Fault> {
    let most = if answer.is_success() {
        request.most
    } else {
        MOST_ERROR
    };
    let says = |name: &str, word: &str| {
        answer
            .headers_of(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let closes = says("connection", "close");
    let is_chunked = says("transfer-encoding", "chunked");
    answer.is_reusable &= !closes;
    if request.method == "HEAD" || matches!(answer.status, 101 | 204 | 304) {
        // Bytes of a body that should not be there would be read as the next answer.
        answer.is_reusable &= answer.status != 101 && reader.rest().is_empty();
        return Ok(answer);
    }
    if is_chunked {
        return read_chunks(reader, most, answer);
    }
    let length = match answer.header("content-length") {
        None => None,
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(text.parse::<usize>().map_err(|_| malformed())?)
        }
        Some(_) => return Err(malformed()),
    };
    let wanted = length.unwrap_or(usize::MAX);
    let kept = wanted.min(most);
    while reader.rest().len() < kept {
        if !reader.fill()? {
            if length.is_some() {
                return Err(unexpected_end());
            }
            break;
        }
    }
    let rest = reader.rest();
    answer.is_cut_short =
        wanted > most && rest.len() >= most && (length.is_some() || rest.len() > most);
    answer.body = rest[..rest.len().min(kept)].to_vec();
    answer.is_reusable &= length.is_some() && !answer.is_cut_short && rest.len() == kept;
    Ok(answer)
}

fn read_chunks<S: Read>(
    reader: &mut Reader<'_, S>,
    most: usize,
    mut answer: Answer,
) -> Result<Answer, Fault> {
    loop {
        let line = reader.line()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed())?;
        if size == 0 {
            break;
        }
        let mut left = size;
        while left > 0 {
            if reader.rest().is_empty() && !reader.fill()? {
                return Err(unexpected_end());
            }
            let take = reader.rest().len().min(left);
            let room = most - answer.body.len();
            let kept = take.min(room);
            let piece = reader.rest()[..kept].to_vec();
            answer.body.extend_from_slice(&piece);
            if kept < take {
                answer.is_cut_short = true;
                answer.is_reusable = false;
                return Ok(answer);
            }
            reader.at += take;
            left -= take;
        }
        if !reader.line()?.is_empty() {
            return Err(malformed());
        }
    }
    for _ in 0..MOST_TRAILERS {
        if reader.line()?.is_empty() {
            answer.is_reusable &= reader.rest().is_empty();
            return Ok(answer);
        }
    }
    Err(malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the answer in pieces and keeps what was asked.
    struct Script {
        answer: Vec<u8>,
        piece: usize,
        asked: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.answer.len().min(self.piece).min(buffer.len());
            buffer[..count].copy_from_slice(&self.answer[..count]);
            self.answer.drain(..count);
            Ok(count)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask_in(method: &'static str, answer: &[u8], piece: usize) -> Result<Answer, Fault> {
        let request = Request {
            method,
            target: "/v2/".to_owned(),
            authority: "a.lab".to_owned(),
            accept: Some("*/*"),
            authorization: None,
            is_taste: true,
            most: 10,
        };
        let mut script = Script {
            answer: answer.to_vec(),
            piece,
            asked: Vec::new(),
        };
        let got = exchange(&mut script, &request, "test/1");
        let asked = String::from_utf8(script.asked).unwrap();
        assert_eq!(
            asked,
            format!(
                "{method} /v2/ HTTP/1.1\r\nHost: a.lab\r\nUser-Agent: test/1\r\nAccept: */*\r\n\
                 Range: bytes=0-0\r\n\r\n"
            )
        );
        got
    }

    fn ask(answer: &str) -> Result<Answer, Fault> {
        ask_in("GET", answer.as_bytes(), usize::MAX)
    }

    #[test]
    fn bodies_of_every_kind() {
        for piece in [1, 3, usize::MAX] {
            for (text, body, reusable) in [
                (
                    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                    "abc",
                    true,
                ),
                ("HTTP/1.1 200 OK\r\n\r\nabc", "abc", false),
                (
                    "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                    "abc",
                    false,
                ),
                (
                    "HTTP/1.1 200 OK\r\nconnection: Close\r\nContent-Length: 0\r\n\r\n",
                    "",
                    false,
                ),
                (
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
                     \r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: u\r\n\r\n",
                    "abc",
                    true,
                ),
            ] {
                let got = ask_in("GET", text.as_bytes(), piece).unwrap();
                assert_eq!(got.body, body.as_bytes(), "{text}");
                assert_eq!(got.is_reusable, reusable, "{text}");
                assert!(!got.is_cut_short, "{text}");
            }
        }
        for (rest, reusable) in [("", true), ("a body", false)] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{rest}");
            let head = ask_in("HEAD", text.as_bytes(), usize::MAX).unwrap();
            assert!(head.body.is_empty());
            assert_eq!(head.is_reusable, reusable, "{rest}");
        }
    }

    #[test]
    fn bodies_beyond_the_bound_are_cut() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890",
            "HTTP/1.1 200 OK\r\n\r\n01234567890",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
        ] {
            let got = ask(text).unwrap();
            assert_eq!(got.body, b"0123456789", "{text}");
            assert!(got.is_cut_short && !got.is_reusable, "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for (text, problem) in [
            ("", Problem::HttpCut),
            ("HTTP/1.1 200 OK\r\nA: b", Problem::HttpCut),
            ("SSH-2.0-x\r\n\r\n", Problem::HttpMalformed),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
                Problem::HttpCut,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
                Problem::HttpMalformed,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                Problem::HttpMalformed,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na",
                Problem::HttpCut,
            ),
        ] {
            assert_eq!(ask(text).unwrap_err().problem, problem, "{text}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(50_000));
        assert_eq!(ask(&endless).unwrap_err().problem, Problem::HttpTooLarge);
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(200_000));
        assert_eq!(ask(&long).unwrap_err().problem, Problem::HttpTooLarge);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..300), piece in 1..40_usize) {
            let _ = ask_in("GET", &tail, piece);
            for head in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
                let _ = ask_in("GET", &[head.as_bytes(), &tail].concat(), piece);
            }
        }
    }
}
