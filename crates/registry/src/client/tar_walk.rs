//! Tells whether a stream is a tar archive, in constant memory.
//!
//! The `tar` crate reads extended headers whole, of whatever size they claim to be; what is read
//! here is hostile, and nothing but the structure matters.

/// A tar archive comes in blocks of this size.
const BLOCK: usize = 512;
/// Most bytes of an extended header that are kept, to find the size that it states.
const MOST_EXTENDED: usize = 1024 * 1024;

/// Walks along an archive as its bytes come.
#[derive(Debug)]
pub(super) struct TarWalk {
    header: Vec<u8>,
    state: State,
    /// Bytes of content and padding that are still to come.
    left: u64,
    /// The content of an extended header, while it comes.
    extended: Vec<u8>,
    /// Bytes of the extended header itself that are still to come.
    extended_left: u64,
    /// The size that an extended header gives to the next entry.
    next_size: Option<u64>,
    /// Bytes seen.
    at: u64,
    entries: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Header,
    Content,
    Extended,
    /// An old GNU sparse header goes on in further blocks.
    Sparse,
    /// After the two empty blocks anything may follow.
    End,
    /// Why it is no archive, and at which byte.
    Broken(&'static str, u64),
}

impl TarWalk {
    pub(super) fn new() -> Self {
        Self {
            header: Vec::with_capacity(BLOCK),
            state: State::Header,
            left: 0,
            extended: Vec::new(),
            extended_left: 0,
            next_size: None,
            at: 0,
            entries: 0,
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.state {
                State::End | State::Broken(..) => return,
                State::Content | State::Extended => {
                    let room = usize::try_from(self.left).unwrap_or(usize::MAX);
                    let (now, rest) = bytes.split_at(room.min(bytes.len()));
                    self.content(now);
                    bytes = rest;
                }
                State::Header | State::Sparse => {
                    let room = BLOCK - self.header.len();
                    let (now, rest) = bytes.split_at(room.min(bytes.len()));
                    self.header.extend_from_slice(now);
                    self.at += now.len() as u64;
                    bytes = rest;
                    if self.header.len() == BLOCK {
                        self.block();
                        self.header.clear();
                    }
                }
            }
        }
    }

    /// After the last byte: what is wrong, and at which byte of the unpacked stream.
    pub(super) fn finish(&self) -> Option<(&'static str, u64)> {
        match &self.state {
            State::Broken(why, at) => Some((why, *at)),
            State::End => None,
            State::Header if self.header.is_empty() => None,
            _ => Some(("unexpected EOF", self.at)),
        }
    }

    /// Entries seen.
    #[cfg(test)]
    fn entries(&self) -> u64 {
        self.entries
    }

    fn content(&mut self, now: &[u8]) {
        let length = now.len() as u64;
        if self.state == State::Extended {
            let own = usize::try_from(self.extended_left.min(length)).unwrap_or(0);
            let room = MOST_EXTENDED - self.extended.len();
            self.extended.extend_from_slice(&now[..own.min(room)]);
            self.extended_left -= own as u64;
        }
        self.left -= length;
        self.at += length;
        if self.left == 0 {
            if self.state == State::Extended {
                self.next_size = pax_size(&self.extended);
                self.extended.clear();
            }
            self.state = State::Header;
        }
    }

    fn broken(&mut self, why: &'static str) {
        self.state = State::Broken(why, self.at - BLOCK as u64);
    }

    fn block(&mut self) {
        let header = std::mem::take(&mut self.header);
        self.read_block(&header);
        self.header = header;
    }

    fn read_block(&mut self, header: &[u8]) {
        if self.state == State::Sparse {
            // A further block of a sparse map says at its end whether one more follows.
            if header[504] == 0 {
                self.begin_content();
            }
            return;
        }
        if header.iter().all(|byte| *byte == 0) {
            // One empty block ends an archive in practice, and Go reads it so at the end of a file.
            self.state = State::End;
            return;
        }
        if !checksum_fits(header) {
            self.broken("archive/tar: invalid tar header");
            return;
        }
        let Some(stated) = number(&header[124..136]) else {
            self.broken("archive/tar: invalid tar header");
            return;
        };
        self.entries += 1;
        let kind = header[156];
        let is_pax = kind == b'x';
        let size = match (kind, self.next_size) {
            // Directories, links and devices have no content, whatever they state.
            (b'1'..=b'6', _) => 0,
            (b'x' | b'g' | b'L' | b'K', _) | (_, None) => stated,
            (_, Some(size)) => size,
        };
        if !matches!(kind, b'x' | b'g' | b'L' | b'K') {
            self.next_size = None;
        }
        let Some(padded) = size.checked_next_multiple_of(BLOCK as u64) else {
            self.broken("archive/tar: invalid tar header");
            return;
        };
        self.left = padded;
        if is_pax {
            self.extended.clear();
            self.extended_left = size;
            self.state = if padded == 0 {
                State::Header
            } else {
                State::Extended
            };
            return;
        }
        if kind == b'S' && header[482] != 0 {
            self.state = State::Sparse;
            return;
        }
        self.begin_content();
    }

    fn begin_content(&mut self) {
        self.state = if self.left == 0 {
            State::Header
        } else {
            State::Content
        };
    }
}

/// Unsigned, as the standard has it, or signed, as some old programs wrote it.
fn checksum_fits(header: &[u8]) -> bool {
    let Some(stated) = number(&header[148..156]) else {
        return false;
    };
    let blanked = || {
        header.iter().enumerate().map(|(at, byte)| {
            if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            }
        })
    };
    let unsigned: u64 = blanked().map(u64::from).sum();
    let signed: i64 = blanked().map(|byte| i64::from(byte.cast_signed())).sum();
    stated == unsigned || i64::try_from(stated).is_ok_and(|stated| stated == signed)
}

/// Octal digits between blanks and zeros, or base 256 where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let mut value: u64 = u64::from(field[0] & 0x7f);
        for byte in &field[1..] {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return Some(value);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let digits = field
        .iter()
        .skip_while(|byte| is_blank(byte))
        .take_while(|byte| !is_blank(byte));
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value = value.checked_mul(8)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// `size` in the records of an extended header (`LENGTH KEY=VALUE\n`).
fn pax_size(mut records: &[u8]) -> Option<u64> {
    let mut size = None;
    loop {
        let blank = records.iter().take(20).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
        let record = records.get(blank + 1..length)?;
        if let Some(value) = record.strip_prefix(b"size=") {
            size = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.trim_end().parse().ok());
        }
        records = &records[length..];
        if records.is_empty() {
            return size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8], piece: usize) -> (Option<&'static str>, u64) {
        let mut walk = TarWalk::new();
        bytes.chunks(piece).for_each(|chunk| walk.push(chunk));
        (walk.finish().map(|(why, _)| why), walk.entries())
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content).unwrap();
        };
        add("a", b"hello");
        add(&"long/".repeat(60), &[7; 1024]);
        add("empty", b"");
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_archive_is_one_in_pieces_of_any_size() {
        let bytes = archive();
        for piece in [1, 7, 511, 512, 513, 1 << 20] {
            // The long name makes an entry of its own.
            assert_eq!(walk(&bytes, piece), (None, 4), "{piece}");
        }
        assert_eq!(walk(&[], 1), (None, 0));
    }

    #[test]
    fn damage_and_truncation_are_seen() {
        let bytes = archive();
        let mut damaged = bytes.clone();
        damaged[3] ^= 0xff;
        assert_eq!(
            walk(&damaged, 100).0,
            Some("archive/tar: invalid tar header")
        );
        assert_eq!(walk(&bytes[..700], 100).0, Some("unexpected EOF"));
        assert_eq!(walk(b"this is no archive", 5).0, Some("unexpected EOF"));
        assert_eq!(
            walk(&[b'x'; 4096], 100).0,
            Some("archive/tar: invalid tar header")
        );
    }

    #[test]
    fn an_extended_header_gives_the_size() {
        let mut builder = tar::Builder::new(Vec::new());
        let record = b"13 size=1000\n";
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(record.len() as u64);
        header.set_path("x").unwrap();
        header.set_cksum();
        builder.append(&header, &record[..]).unwrap();
        let mut bytes = builder.into_inner().unwrap();
        bytes.truncate(1024);
        let mut header = tar::Header::new_ustar();
        header.set_path("big").unwrap();
        header.set_size(0);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&[b'c'; 1024]);
        bytes.extend_from_slice(&[0; 1024]);
        assert_eq!(walk(&bytes, 333), (None, 2));
    }

    #[test]
    fn hostile_sizes_do_no_harm() {
        let mut header = tar::Header::new_gnu();
        header.set_path("x").unwrap();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(u64::MAX / 2);
        header.set_cksum();
        let mut walk = TarWalk::new();
        walk.push(header.as_bytes());
        for _ in 0..400 {
            walk.push(&[b'9'; 8 * 1024]);
        }
        assert!(walk.extended.len() <= MOST_EXTENDED);
        assert_eq!(walk.finish().unwrap().0, "unexpected EOF");
        for seed in 0..200_u32 {
            let bytes: Vec<u8> = (0..2048_u32)
                .map(|n| {
                    (n.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 13).to_le_bytes()[0]
                })
                .collect();
            super::tests::walk(&bytes, 600);
        }
    }
}
