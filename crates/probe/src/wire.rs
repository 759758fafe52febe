//! Messages of the domain name system (RFC 1035), as much as a question for addresses needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pulldoctor_registry::judge::{DnsAnswer, DnsRecordKind, DnsResult};

/// Most addresses of one name that are kept.
const MOST_ADDRESSES: usize = 16;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
/// Recursion desired.
const FLAGS: u16 = 0x0100;

fn code(record: DnsRecordKind) -> u16 {
    match record {
        DnsRecordKind::A => TYPE_A,
        DnsRecordKind::Aaaa => TYPE_AAAA,
    }
}

/// A question for a whole name; nothing where the name does not fit into one.
pub(crate) fn question(id: u16, name: &str, record: DnsRecordKind) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(64);
    for word in [id, FLAGS, 1, 0, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    let start = message.len();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if length == 0 || length > 63 || !label.is_ascii() {
            return None;
        }
        message.push(length);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    if message.len() - start > 255 {
        return None;
    }
    message.extend_from_slice(&code(record).to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    Some(message)
}

/// What came for a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Not an answer to it.
    Foreign,
    /// Cut short: to be asked again over TCP.
    Truncated,
    /// The answer.
    Said(DnsResult),
}

/// Reads a message as the answer to a question.
pub(crate) fn read(message: &[u8], question: &[u8]) -> Reply {
    parse(message, question).unwrap_or(Reply::Foreign)
}

fn parse(message: &[u8], question: &[u8]) -> Option<Reply> {
    let word = |at: usize| {
        let bytes = message.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let is_answer = word(2)? & 0x8000 != 0;
    if message.get(..2)? != question.get(..2)? || !is_answer {
        return None;
    }
    // Servers that refuse may leave the question out; otherwise it must be ours.
    let mut at = 12;
    match word(4)? {
        0 => {}
        1 => {
            let own = question.get(12..)?;
            let echoed = message.get(12..12 + own.len())?;
            if !echoed.eq_ignore_ascii_case(own) {
                return None;
            }
            at += own.len();
        }
        _ => return None,
    }
    if word(2)? & 0x0200 != 0 {
        return Some(Reply::Truncated);
    }
    let mut addresses = Vec::new();
    for _ in 0..word(6)? {
        // A record that cannot be read ends the list: what stood before it holds.
        let Some((address, next)) = record(message, at) else {
            break;
        };
        if let Some(address) = address
            && addresses.len() < MOST_ADDRESSES
        {
            addresses.push(address);
        }
        at = next;
    }
    let (answer, note) = match word(2)? & 0x000f {
        0 if addresses.is_empty() => (DnsAnswer::Nodata, None),
        0 => (DnsAnswer::Addresses, None),
        2 => (DnsAnswer::Servfail, None),
        3 => (DnsAnswer::Nxdomain, None),
        5 => (DnsAnswer::Refused, None),
        1 => (DnsAnswer::Other, Some("format error (FORMERR)".to_owned())),
        4 => (
            DnsAnswer::Other,
            Some("not implemented (NOTIMP)".to_owned()),
        ),
        other => (DnsAnswer::Other, Some(format!("response code {other}"))),
    };
    if answer != DnsAnswer::Addresses {
        addresses.clear();
    }
    Some(Reply::Said(DnsResult {
        answer,
        addresses,
        note,
    }))
}

/// The address in a record, if it is one, and where the next record begins.
fn record(message: &[u8], at: usize) -> Option<(Option<IpAddr>, usize)> {
    let at = skip_name(message, at)?;
    let head = message.get(at..at + 10)?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
    let data = message.get(at + 10..at + 10 + length)?;
    let address = match kind {
        TYPE_A => <[u8; 4]>::try_from(data)
            .ok()
            .map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        TYPE_AAAA => <[u8; 16]>::try_from(data)
            .ok()
            .map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
        _ => None,
    };
    Some((address, at + 10 + length))
}

/// Where a name ends. A pointer ends it: what it points to is of no interest.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = *message.get(at)?;
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(length),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reply: Reply) -> DnsResult {
        match reply {
            Reply::Said(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// An answer with this code and these records (type and data).
    fn answer(question: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2] = 0x81;
        message[3] = 0x80 | code;
        message[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            message.extend_from_slice(&[0xc0, 12]);
            message.extend_from_slice(&kind.to_be_bytes());
            message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            message.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend_from_slice(data);
        }
        message
    }

    #[test]
    fn answers_are_told_apart() {
        let own = question(7, "registry.lab.", DnsRecordKind::A).unwrap();
        let good = answer(&own, 0, &[(5, b"\x01a\x00"), (TYPE_A, &[10, 0, 0, 9])]);
        let got = said(read(&good, &own));
        assert_eq!(got.answer, DnsAnswer::Addresses);
        assert_eq!(got.addresses, ["10.0.0.9".parse::<IpAddr>().unwrap()]);
        for (code, expected) in [
            (0, DnsAnswer::Nodata),
            (1, DnsAnswer::Other),
            (2, DnsAnswer::Servfail),
            (3, DnsAnswer::Nxdomain),
            (5, DnsAnswer::Refused),
            (9, DnsAnswer::Other),
        ] {
            assert_eq!(said(read(&answer(&own, code, &[]), &own)).answer, expected);
        }
        let mut cut = answer(&own, 0, &[]);
        cut[2] |= 0x02;
        assert_eq!(read(&cut, &own), Reply::Truncated);
    }

    #[test]
    fn strangers_answers_are_not_taken() {
        let own = question(7, "registry.lab.", DnsRecordKind::A).unwrap();
        let other = question(7, "registry.example.", DnsRecordKind::A).unwrap();
        let late = question(8, "registry.lab.", DnsRecordKind::A).unwrap();
        let six = question(7, "registry.lab.", DnsRecordKind::Aaaa).unwrap();
        for foreign in [&other, &late, &six] {
            let message = answer(foreign, 0, &[(TYPE_A, &[10, 0, 0, 9])]);
            assert_eq!(read(&message, &own), Reply::Foreign);
        }
        assert_eq!(read(&own, &own), Reply::Foreign, "a question is no answer");
        assert_eq!(read(&[], &own), Reply::Foreign);
    }

    #[test]
    fn names_that_do_not_fit_are_not_asked() {
        assert!(question(1, &"a".repeat(64), DnsRecordKind::A).is_none());
        assert!(question(1, &"abc.".repeat(70), DnsRecordKind::A).is_none());
        assert!(question(1, "a..b", DnsRecordKind::A).is_none());
        assert!(question(1, "é.lab", DnsRecordKind::A).is_none());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200), count in 0..=255_u8) {
            let own = question(7, "a.lab", DnsRecordKind::A).unwrap();
            let mut message = answer(&own, 0, &[]);
            message[7] = count;
            message.extend_from_slice(&tail);
            let _ = read(&message, &own);
            let _ = read(&tail, &own);
        }
    }
}
