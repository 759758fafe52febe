//! LZMA in its `.lzma` form, unpacked straight into its place.
//!
//! Written for this stub, since the crates that can do it want an allocator and a window beside the
//! output; here the output is the window. After the specification in the LZMA SDK (9.20,
//! `lzma-specification.txt`). Safe code: whatever the input is, it ends, within its buffers.

/// Properties, size of the window, size of the output.
pub(crate) const HEADER: usize = 13;
/// `lc = 3`, `lp = 0`, `pb = 2`: the defaults, and the only ones that are read.
const PROPERTIES: u8 = 0x5d;
const STATES: usize = 12;
const POSITION_STATES: usize = 4;
const LITERAL_CONTEXTS: usize = 8;
const PROBABILITY: u16 = 1 << 10;
const TOP: u32 = 1 << 24;
const ALIGN_BITS: u32 = 4;
const END_POSITION_MODEL: u32 = 14;
const FULL_DISTANCES: usize = 1 << (END_POSITION_MODEL / 2);

/// How many bytes a packed file unpacks to; nothing where it is no such file.
pub(crate) fn unpacked_size(packed: &[u8]) -> Option<usize> {
    let header = packed.get(..HEADER)?;
    if header[0] != PROPERTIES {
        return None;
    }
    let size: [u8; 8] = header[5..].try_into().ok()?;
    usize::try_from(u64::from_le_bytes(size)).ok()
}

/// Unpacks a whole file into `out`, which has exactly its size. False where it is damaged.
#[must_use]
pub(crate) fn unpack(packed: &[u8], out: &mut [u8]) -> bool {
    if unpacked_size(packed) != Some(out.len()) {
        return false;
    }
    match Range::begin(&packed[HEADER..]) {
        Some(range) => Decoder::new(range).run(out).is_some(),
        None => false,
    }
}

/// The range decoder.
struct Range<'a> {
    input: &'a [u8],
    at: usize,
    /// How wide the range is: the more is known, the narrower.
    width: u32,
    code: u32,
}

impl<'a> Range<'a> {
    fn begin(input: &'a [u8]) -> Option<Self> {
        let head: [u8; 5] = input.get(..5)?.try_into().ok()?;
        (head[0] == 0).then(|| Self {
            input,
            at: 5,
            width: u32::MAX,
            code: u32::from_be_bytes([head[1], head[2], head[3], head[4]]),
        })
    }

    fn normalize(&mut self) -> Option<()> {
        if self.width < TOP {
            let byte = *self.input.get(self.at)?;
            self.at += 1;
            self.width <<= 8;
            self.code = self.code << 8 | u32::from(byte);
        }
        Some(())
    }

    fn bit(&mut self, probability: &mut u16) -> Option<u32> {
        let bound = (self.width >> 11) * u32::from(*probability);
        let bit = if self.code < bound {
            self.width = bound;
            *probability += (2048 - *probability) >> 5;
            0
        } else {
            self.width -= bound;
            self.code -= bound;
            *probability -= *probability >> 5;
            1
        };
        self.normalize()?;
        Some(bit)
    }

    fn direct(&mut self, count: u32) -> Option<u32> {
        let mut result = 0;
        for _ in 0..count {
            self.width >>= 1;
            let bit = u32::from(self.code >= self.width);
            if bit == 1 {
                self.code -= self.width;
            }
            self.normalize()?;
            result = result << 1 | bit;
        }
        Some(result)
    }

    /// A number of `bits` bits, highest first.
    fn tree(&mut self, probabilities: &mut [u16], bits: u32) -> Option<u32> {
        let mut symbol = 1;
        for _ in 0..bits {
            let bit = self.bit(probabilities.get_mut(symbol as usize)?)?;
            symbol = symbol << 1 | bit;
        }
        Some(symbol - (1 << bits))
    }

    /// The same, lowest first.
    fn reverse_tree(&mut self, probabilities: &mut [u16], bits: u32) -> Option<u32> {
        let mut index = 1;
        let mut symbol = 0;
        for place in 0..bits {
            let bit = self.bit(probabilities.get_mut(index as usize)?)?;
            index = index << 1 | bit;
            symbol |= bit << place;
        }
        Some(symbol)
    }
}

struct Lengths {
    choice: [u16; 2],
    low: [[u16; 8]; POSITION_STATES],
    middle: [[u16; 8]; POSITION_STATES],
    high: [u16; 256],
}

impl Lengths {
    const fn new() -> Self {
        Self {
            choice: [PROBABILITY; 2],
            low: [[PROBABILITY; 8]; POSITION_STATES],
            middle: [[PROBABILITY; 8]; POSITION_STATES],
            high: [PROBABILITY; 256],
        }
    }

    fn read(&mut self, range: &mut Range<'_>, position: usize) -> Option<u32> {
        if range.bit(&mut self.choice[0])? == 0 {
            return range.tree(&mut self.low[position], 3);
        }
        if range.bit(&mut self.choice[1])? == 0 {
            return Some(8 + range.tree(&mut self.middle[position], 3)?);
        }
        Some(16 + range.tree(&mut self.high, 8)?)
    }
}

struct Decoder<'a> {
    range: Range<'a>,
    literals: [[u16; 0x300]; LITERAL_CONTEXTS],
    slots: [[u16; 64]; 4],
    align: [u16; 16],
    positions: [u16; 1 + FULL_DISTANCES - END_POSITION_MODEL as usize],
    is_match: [[u16; POSITION_STATES]; STATES],
    is_repeat: [u16; STATES],
    is_repeat_0: [u16; STATES],
    is_repeat_1: [u16; STATES],
    is_repeat_2: [u16; STATES],
    is_long_repeat_0: [[u16; POSITION_STATES]; STATES],
    lengths: Lengths,
    repeat_lengths: Lengths,
}

impl<'a> Decoder<'a> {
    const fn new(range: Range<'a>) -> Self {
        Self {
            range,
            literals: [[PROBABILITY; 0x300]; LITERAL_CONTEXTS],
            slots: [[PROBABILITY; 64]; 4],
            align: [PROBABILITY; 16],
            positions: [PROBABILITY; 1 + FULL_DISTANCES - END_POSITION_MODEL as usize],
            is_match: [[PROBABILITY; POSITION_STATES]; STATES],
            is_repeat: [PROBABILITY; STATES],
            is_repeat_0: [PROBABILITY; STATES],
            is_repeat_1: [PROBABILITY; STATES],
            is_repeat_2: [PROBABILITY; STATES],
            is_long_repeat_0: [[PROBABILITY; POSITION_STATES]; STATES],
            lengths: Lengths::new(),
            repeat_lengths: Lengths::new(),
        }
    }

    fn run(mut self, out: &mut [u8]) -> Option<()> {
        let mut state = 0;
        let mut repeats = [0_u32; 4];
        let mut at = 0;
        while at < out.len() {
            let position = at & (POSITION_STATES - 1);
            if self.range.bit(&mut self.is_match[state][position])? == 0 {
                out[at] = self.literal(out, at, state, repeats[0])?;
                at += 1;
                state = match state {
                    0..4 => 0,
                    4..10 => state - 3,
                    _ => state - 6,
                };
                continue;
            }
            let length;
            if self.range.bit(&mut self.is_repeat[state])? == 0 {
                length = self.lengths.read(&mut self.range, position)?;
                state = if state < 7 { 7 } else { 10 };
                let distance = self.distance(length)?;
                // The marker of the end, before the end.
                if distance == u32::MAX {
                    return None;
                }
                repeats = [distance, repeats[0], repeats[1], repeats[2]];
            } else {
                if self.range.bit(&mut self.is_repeat_0[state])? == 0 {
                    if self
                        .range
                        .bit(&mut self.is_long_repeat_0[state][position])?
                        == 0
                    {
                        state = if state < 7 { 9 } else { 11 };
                        copy(out, at, repeats[0], 1)?;
                        at += 1;
                        continue;
                    }
                } else if self.range.bit(&mut self.is_repeat_1[state])? == 0 {
                    repeats.swap(0, 1);
                } else if self.range.bit(&mut self.is_repeat_2[state])? == 0 {
                    repeats = [repeats[2], repeats[0], repeats[1], repeats[3]];
                } else {
                    repeats = [repeats[3], repeats[0], repeats[1], repeats[2]];
                }
                length = self.repeat_lengths.read(&mut self.range, position)?;
                state = if state < 7 { 8 } else { 11 };
            }
            let length = length as usize + 2;
            copy(out, at, repeats[0], length)?;
            at += length;
        }
        Some(())
    }

    fn literal(&mut self, out: &[u8], at: usize, state: usize, repeat: u32) -> Option<u8> {
        let before = if at == 0 { 0 } else { out[at - 1] };
        let probabilities = &mut self.literals[usize::from(before >> 5)];
        let mut symbol = 1_usize;
        if state >= 7 {
            let start = at.checked_sub(repeat as usize + 1)?;
            let mut likely = usize::from(*out.get(start)?);
            while symbol < 0x100 {
                likely <<= 1;
                let wanted = likely >> 8 & 1;
                let bit = self
                    .range
                    .bit(&mut probabilities[((1 + wanted) << 8) + symbol])?
                    as usize;
                symbol = symbol << 1 | bit;
                if wanted != bit {
                    break;
                }
            }
        }
        while symbol < 0x100 {
            let bit = self.range.bit(&mut probabilities[symbol])? as usize;
            symbol = symbol << 1 | bit;
        }
        u8::try_from(symbol & 0xff).ok()
    }

    fn distance(&mut self, length: u32) -> Option<u32> {
        let context = length.min(3) as usize;
        let slot = self.range.tree(&mut self.slots[context], 6)?;
        if slot < 4 {
            return Some(slot);
        }
        let bits = (slot >> 1) - 1;
        let base = (2 | slot & 1) << bits;
        if slot < END_POSITION_MODEL {
            let first = (base - slot) as usize;
            let probabilities = self.positions.get_mut(first..)?;
            return Some(base + self.range.reverse_tree(probabilities, bits)?);
        }
        let high = self.range.direct(bits - ALIGN_BITS)? << ALIGN_BITS;
        let low = self.range.reverse_tree(&mut self.align, ALIGN_BITS)?;
        Some(base.wrapping_add(high).wrapping_add(low))
    }
}

/// Copies from what was unpacked before; the two may overlap.
fn copy(out: &mut [u8], at: usize, distance: u32, length: usize) -> Option<()> {
    let start = at.checked_sub(distance as usize + 1)?;
    if length > out.len() - at {
        return None;
    }
    for step in 0..length {
        out[at + step] = out[start + step];
    }
    Some(())
}
