//! As much of the DNS message format (RFC 1035) as one question and its answer need.

use std::net::Ipv4Addr;

/// Record type A.
const A: u16 = 1;
/// Question type ANY.
const ANY: u16 = 255;
/// Class IN.
const IN: u16 = 1;
/// Seconds that an answer may be kept: none, so that a fault acts at once.
const TTL: u32 = 0;

/// A question as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The message id, to be returned.
    pub id: u16,
    /// The recursion-desired bit, to be returned.
    pub recursion_desired: bool,
    /// The name, lower case, without the last dot.
    pub name: String,
    /// The record type asked for.
    pub kind: u16,
    /// The question section as it came, to be returned with the case that the client used.
    question: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// An A record, for questions of type A; an empty answer for others.
    Address(Ipv4Addr),
    /// The name exists, without a record.
    Empty,
    /// Response code 2.
    ServerFailure,
    /// Response code 3.
    NoSuchName,
    /// Response code 5.
    Refused,
}

/// Reads a query. Nothing for anything else than one standard question.
pub fn parse(message: &[u8]) -> Option<Query> {
    let id = u16::from_be_bytes([*message.first()?, *message.get(1)?]);
    let flags = u16::from_be_bytes([*message.get(2)?, *message.get(3)?]);
    let questions = u16::from_be_bytes([*message.get(4)?, *message.get(5)?]);
    // A response, another opcode than QUERY, or several questions.
    if flags & 0xf800 != 0 || questions != 1 {
        return None;
    }
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // Compression pointers have no place in a lone question.
        if length > 63 {
            return None;
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
    let class = u16::from_be_bytes([*message.get(at + 2)?, *message.get(at + 3)?]);
    (class == IN).then(|| Query {
        id,
        recursion_desired: flags & 0x0100 != 0,
        name: labels.join("."),
        kind,
        question: message[12..at + 4].to_vec(),
    })
}

/// Writes the answer to a query. It is marked authoritative and recursive: Go's resolver takes
/// an empty answer without both bits for a lame referral and reports `server misbehaving`.
pub fn encode(query: &Query, reply: Reply) -> Vec<u8> {
    let code: u16 = match reply {
        Reply::Address(_) | Reply::Empty => 0,
        Reply::ServerFailure => 2,
        Reply::NoSuchName => 3,
        Reply::Refused => 5,
    };
    let address = match reply {
        Reply::Address(address) if query.kind == A || query.kind == ANY => Some(address),
        _ => None,
    };
    // QR, AA, RD as asked, RA.
    let mut flags = 0x8480 | code;
    if query.recursion_desired {
        flags |= 0x0100;
    }
    let mut message = Vec::with_capacity(64);
    for word in [query.id, flags, 1, u16::from(address.is_some()), 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(&query.question);
    if let Some(address) = address {
        // A pointer to the name in the question.
        for word in [0xc00c, A, IN] {
            message.extend_from_slice(&word.to_be_bytes());
        }
        message.extend_from_slice(&TTL.to_be_bytes());
        message.extend_from_slice(&4_u16.to_be_bytes());
        message.extend_from_slice(&address.octets());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&IN.to_be_bytes());
        message
    }

    #[test]
    fn a_question_is_read_in_lower_case() {
        let query = parse(&question("Registry.LAB", A)).unwrap();
        assert_eq!(query.name, "registry.lab");
        assert_eq!(query.id, 0x1234);
        assert!(query.recursion_desired);
    }

    #[test]
    fn an_answer_repeats_the_question_and_carries_the_address() {
        let asked = question("Registry.LAB", A);
        let query = parse(&asked).unwrap();
        let answer = encode(&query, Reply::Address(Ipv4Addr::new(10, 77, 0, 1)));
        assert_eq!(answer[..2], [0x12, 0x34]);
        assert_eq!(answer[12..asked.len()], asked[12..]);
        assert_eq!(answer[answer.len() - 4..], [10, 77, 0, 1]);
        assert_eq!(answer[7], 1);
    }

    #[test]
    fn aaaa_gets_an_empty_answer_and_failures_their_codes() {
        let query = parse(&question("a.lab", 28)).unwrap();
        let answer = encode(&query, Reply::Address(Ipv4Addr::LOCALHOST));
        assert_eq!((answer[3] & 0x0f, answer[7]), (0, 0));
        for (reply, code) in [
            (Reply::ServerFailure, 2),
            (Reply::NoSuchName, 3),
            (Reply::Refused, 5),
        ] {
            assert_eq!(encode(&query, reply)[3] & 0x0f, code);
        }
    }

    #[test]
    fn every_prefix_of_a_question_and_a_pointer_are_refused_quietly() {
        let whole = question("registry.lab", A);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None);
        }
        let mut pointer = whole.clone();
        pointer[12] = 0xc0;
        assert_eq!(parse(&pointer), None);
        let mut response = whole;
        response[2] |= 0x80;
        assert_eq!(parse(&response), None);
    }
}
