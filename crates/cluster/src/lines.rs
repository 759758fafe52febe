//! Lines of a text that comes in pieces. No line is kept longer than its limit.

/// Cuts pieces of text into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    held: Vec<u8>,
    most: usize,
    /// The line that is held was longer than the limit: what is left of it is dropped.
    is_over: bool,
}

impl Lines {
    /// Lines of at most `most` bytes; of longer ones the beginning is given.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            held: Vec::new(),
            most,
            is_over: false,
        }
    }

    /// Takes a piece, and gives the lines that it ends, without their ends.
    pub(crate) fn push(&mut self, mut piece: &[u8], give: &mut dyn FnMut(&[u8])) {
        while let Some(at) = piece.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = piece.split_at(at);
            piece = &rest[1..];
            // Most lines lie in one piece: they are not copied.
            if self.held.is_empty() && !self.is_over && line.len() <= self.most {
                give(without_return(line));
                continue;
            }
            self.hold(line);
            give(without_return(&self.held));
            self.held.clear();
            self.is_over = false;
        }
        self.hold(piece);
    }

    /// Gives the last line, where no line end followed it.
    pub(crate) fn finish(&mut self, give: &mut dyn FnMut(&[u8])) {
        if !self.held.is_empty() {
            give(without_return(&self.held));
        }
        self.held.clear();
        self.is_over = false;
    }

    fn hold(&mut self, piece: &[u8]) {
        let room = self.most - self.held.len();
        let taken = piece.len().min(room);
        self.held.extend_from_slice(&piece[..taken]);
        self.is_over |= taken < piece.len();
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str], most: usize) -> Vec<String> {
        let mut lines = Lines::new(most);
        let mut found = Vec::new();
        let mut give = |line: &[u8]| found.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            lines.push(piece.as_bytes(), &mut give);
        }
        lines.finish(&mut give);
        found
    }

    #[test]
    fn lines_do_not_depend_on_the_pieces() {
        let whole = ["one\r\ntwo\n\nthree"];
        let pieces: Vec<&str> = whole[0].split_inclusive(|_| true).collect();
        assert_eq!(cut(&whole, 99), ["one", "two", "", "three"]);
        assert_eq!(cut(&pieces, 99), cut(&whole, 99));
    }

    #[test]
    fn a_long_line_keeps_its_beginning_and_the_next_is_whole() {
        assert_eq!(cut(&["abcdefgh\nij\n"], 4), ["abcd", "ij"]);
        assert_eq!(cut(&["abc", "defgh", "\nij"], 4), ["abcd", "ij"]);
    }
}
