//! A layer's bytes, checked as they come: digest, size, compression, archive, diff ID.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes};
use flate2::Crc;
use flate2::bufread::MultiGzDecoder;
use ring::digest::{self, Context};
use tokio::sync::mpsc::Receiver;

use super::fault::Fault;
use super::tar_walk::TarWalk;
use crate::judge::{Descriptor, Problem};
use crate::text::hex;

/// Bytes under one fingerprint: how closely two readings are compared.
pub(super) const PIECE: u64 = 256 * 1024;
/// Bytes that are unpacked at a time.
const UNPACKED: usize = 128 * 1024;
/// Beyond this much, a layer that unpacks to more than [`MOST_RATIO`] times its size is taken for a
/// bomb: no file system of an image is like that.
const SUSPICIOUS: u64 = 4 << 30;
const MOST_RATIO: u64 = 500;

/// What a reading found.
#[derive(Debug, Clone, Default)]
pub(super) struct Checked {
    /// Bytes read.
    pub(super) read: u64,
    /// Bytes that they unpacked to.
    pub(super) unpacked: u64,
    /// The digest of the bytes read.
    pub(super) digest: String,
    /// What is wrong, most telling first.
    pub(super) fault: Option<Fault>,
    /// The offset in the stored layer.
    pub(super) bad_at: Option<u64>,
    /// One a piece.
    pub(super) prints: Vec<u32>,
}

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

/// Reads the pieces that come through a channel, and counts and hashes them.
struct Incoming {
    pieces: Receiver<Bytes>,
    current: Bytes,
    hash: Context,
    read: u64,
    print: Crc,
    prints: Vec<u32>,
    /// Bytes handed on.
    consumed: u64,
}

impl Incoming {
    fn take_in(&mut self, bytes: &Bytes) {
        self.hash.update(bytes);
        let mut rest: &[u8] = bytes;
        while !rest.is_empty() {
            let room = usize::try_from(PIECE - self.read % PIECE).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.print.update(now);
            self.read += now.len() as u64;
            if self.read.is_multiple_of(PIECE) {
                self.prints.push(self.print.sum());
                self.print = Crc::new();
            }
            rest = later;
        }
    }

    /// Reads what nobody wants any more, for the digest.
    fn drain(&mut self) {
        self.current.clear();
        while let Some(bytes) = self.pieces.blocking_recv() {
            self.take_in(&bytes);
        }
        if !self.read.is_multiple_of(PIECE) {
            self.prints.push(self.print.sum());
        }
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Incoming {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                None => break,
                Some(bytes) => {
                    self.take_in(&bytes);
                    self.current = bytes;
                }
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount);
        self.consumed += amount as u64;
    }
}

/// What is unpacked.
struct Unpacked {
    hash: Option<Context>,
    bytes: u64,
    walk: TarWalk,
}

/// Checks a layer; blocks until the channel ends. `diff_id` may be empty for unknown.
pub(super) fn check(
    pieces: Receiver<Bytes>,
    layer: &Descriptor,
    diff_id: &str,
    most_unpacked: u64,
) -> Checked {
    let algorithm = algorithm_of(&layer.digest).unwrap_or(&digest::SHA256);
    let mut incoming = Incoming {
        pieces,
        current: Bytes::new(),
        hash: Context::new(algorithm),
        read: 0,
        print: Crc::new(),
        prints: Vec::new(),
        consumed: 0,
    };
    let mut unpacked = Unpacked {
        hash: algorithm_of(diff_id).map(Context::new),
        bytes: 0,
        walk: TarWalk::new(),
    };
    let stated = packing_of(&layer.media_type);
    let mut bad_at = None;
    let content = unpack(
        &mut incoming,
        &mut unpacked,
        layer,
        stated,
        most_unpacked,
        &mut bad_at,
    );
    incoming.drain();
    let name = layer.digest.split(':').next().unwrap_or("sha256");
    let digest = format!("{name}:{}", hex(incoming.hash.finish().as_ref()));
    let content = content.or_else(|| {
        let hash = unpacked.hash?.finish();
        let name = diff_id.split(':').next().unwrap_or("sha256");
        let actual = format!("{name}:{}", hex(hash.as_ref()));
        (actual != diff_id).then(|| {
            Fault::new(
                Problem::LayerDiffId,
                format!("wrong diff id calculated on extraction {actual:?}, the config states {diff_id:?}"),
            )
        })
    });
    let fault = if incoming.read == layer.size && digest != layer.digest {
        Some(Fault::new(
            Problem::LayerDigest,
            format!(
                "unexpected commit digest {digest}, expected {}",
                layer.digest
            ),
        ))
    } else if incoming.read != layer.size {
        bad_at = bad_at.or(Some(incoming.read.min(layer.size)));
        Some(Fault::new(
            Problem::LayerSize,
            format!(
                "unexpected commit size {}, expected {}",
                incoming.read, layer.size
            ),
        ))
    } else {
        content
    };
    if fault.is_none() {
        bad_at = None;
    }
    Checked {
        read: incoming.read,
        unpacked: unpacked.bytes,
        digest,
        fault,
        bad_at,
        prints: incoming.prints,
    }
}

fn unpack(
    incoming: &mut Incoming,
    unpacked: &mut Unpacked,
    layer: &Descriptor,
    stated: Option<Packing>,
    most: u64,
    bad_at: &mut Option<u64>,
) -> Option<Fault> {
    let magic = incoming.fill_buf().ok()?;
    let found = packing_by_magic(magic);
    let Some(stated) = stated else {
        return Some(Fault::new(
            Problem::LayerMediaType,
            format!("media type `{}` cannot be unpacked here", layer.media_type),
        ));
    };
    if stated != Packing::None && found == Packing::None {
        *bad_at = Some(0);
        let what = if stated == Packing::Gzip {
            "gzip: invalid header"
        } else {
            "zstd: invalid header"
        };
        return Some(Fault::new(Problem::LayerCompression, what));
    }
    // Like containerd, the bytes decide: a gzip stream under the other media type is unpacked too.
    let result = match found {
        Packing::None => copy(&mut *incoming, unpacked, most, layer.size),
        Packing::Gzip => copy(
            &mut MultiGzDecoder::new(&mut *incoming),
            unpacked,
            most,
            layer.size,
        ),
        Packing::Zstd => match zstd::stream::read::Decoder::with_buffer(&mut *incoming) {
            Ok(mut decoder) => copy(&mut decoder, unpacked, most, layer.size),
            Err(error) => Err(Stop::Error(error)),
        },
    };
    match result {
        Err(Stop::TooLarge) => Some(Fault::new(
            Problem::LayerTooLarge,
            format!("it unpacks to more than {} bytes", unpacked.bytes),
        )),
        Err(Stop::Error(error)) => {
            *bad_at = Some(incoming.consumed);
            let text = match error.kind() {
                io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
                _ => error.to_string(),
            };
            let name = if found == Packing::Zstd {
                "zstd"
            } else {
                "gzip"
            };
            Some(Fault::new(
                Problem::LayerCompression,
                format!("{name}: {text}, at byte {}", incoming.consumed),
            ))
        }
        Ok(()) => unpacked.walk.finish().map(|(why, at)| {
            if found == Packing::None {
                *bad_at = Some(at);
            }
            Fault::new(
                Problem::LayerArchive,
                format!("{why}, at unpacked byte {at}"),
            )
        }),
    }
}

enum Stop {
    TooLarge,
    Error(io::Error),
}

fn copy(from: &mut dyn Read, unpacked: &mut Unpacked, most: u64, stored: u64) -> Result<(), Stop> {
    let mut buffer = vec![0; UNPACKED];
    let suspicious = stored.saturating_mul(MOST_RATIO).max(SUSPICIOUS);
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Error(error)),
        };
        let bytes = &buffer[..length];
        unpacked.bytes += length as u64;
        if let Some(hash) = &mut unpacked.hash {
            hash.update(bytes);
        }
        unpacked.walk.push(bytes);
        if unpacked.bytes > most.min(suspicious) {
            return Err(Stop::TooLarge);
        }
    }
}

fn algorithm_of(digest: &str) -> Option<&'static digest::Algorithm> {
    match digest.split_once(':')?.0 {
        "sha256" => Some(&digest::SHA256),
        "sha384" => Some(&digest::SHA384),
        "sha512" => Some(&digest::SHA512),
        _ => None,
    }
}

/// What the media type promises; nothing for one that is no layer of a known form.
fn packing_of(media_type: &str) -> Option<Packing> {
    let is_layer = media_type.starts_with("application/vnd.oci.image.layer.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.");
    if !is_layer {
        return None;
    }
    if media_type.ends_with("gzip") {
        Some(Packing::Gzip)
    } else if media_type.ends_with("zstd") {
        Some(Packing::Zstd)
    } else if media_type.ends_with("tar") {
        Some(Packing::None)
    } else {
        None
    }
}

fn packing_by_magic(bytes: &[u8]) -> Packing {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        Packing::Gzip
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || is_skippable_zstd(bytes) {
        Packing::Zstd
    } else {
        Packing::None
    }
}

/// zstd:chunked and seekable streams begin with a frame to be skipped.
fn is_skippable_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    fn sha256(bytes: &[u8]) -> String {
        format!(
            "sha256:{}",
            hex(digest::digest(&digest::SHA256, bytes).as_ref())
        )
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(300_000);
        header.set_mode(0o644);
        let content: Vec<u8> = (0..300_000_u32)
            .map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0])
            .collect();
        builder
            .append_data(&mut header, "file", content.as_slice())
            .unwrap();
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn run(media_type: &str, stored: &[u8], diff_id: &str, digest: Option<String>) -> Checked {
        let layer = Descriptor {
            media_type: media_type.to_owned(),
            digest: digest.unwrap_or_else(|| sha256(stored)),
            size: stored.len() as u64,
        };
        let (sender, receiver) = tokio::sync::mpsc::channel(10_000);
        for piece in stored.chunks(777) {
            sender.try_send(Bytes::copy_from_slice(piece)).unwrap();
        }
        drop(sender);
        check(receiver, &layer, diff_id, 1 << 30)
    }

    #[test]
    fn whole_layers_in_every_packing() {
        let tar = archive();
        let diff_id = sha256(&tar);
        let zstd = zstd::encode_all(tar.as_slice(), 3).unwrap();
        let two_members = [gzip(&tar[..1000]), gzip(&tar[1000..])].concat();
        for (media_type, stored) in [
            (GZIP, gzip(&tar)),
            (
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                two_members,
            ),
            ("application/vnd.oci.image.layer.v1.tar", tar.clone()),
            ("application/vnd.oci.image.layer.v1.tar+zstd", zstd),
        ] {
            let got = run(media_type, &stored, &diff_id, None);
            assert_eq!(got.fault, None, "{media_type}");
            assert_eq!(got.unpacked, tar.len() as u64);
            assert_eq!(
                got.prints.len() as u64,
                (stored.len() as u64).div_ceil(PIECE)
            );
        }
    }

    #[test]
    fn each_kind_of_damage_is_named() {
        let tar = archive();
        let good = gzip(&tar);
        let diff_id = sha256(&tar);
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 0xff;
        let problem = |checked: Checked| (checked.fault.unwrap().problem, checked.bad_at);

        let (kind, at) = problem(run(GZIP, &flipped, &diff_id, Some(sha256(&good))));
        assert_eq!(kind, Problem::LayerDigest);
        assert!(
            at.is_none_or(|at| at >= good.len() as u64 / 2 - 1),
            "{at:?}"
        );
        // The same damage with a digest that fits: the content is bad at its source.
        assert_eq!(
            problem(run(GZIP, &flipped, &diff_id, None)).0,
            Problem::LayerCompression
        );
        assert_eq!(
            problem(run(GZIP, &good[..good.len() - 9], &diff_id, None)).0,
            Problem::LayerCompression
        );
        assert_eq!(
            problem(run(GZIP, b"no gzip", &diff_id, None)),
            (Problem::LayerCompression, Some(0))
        );
        assert_eq!(
            problem(run(GZIP, &gzip(&[b'x'; 2000]), &diff_id, None)).0,
            Problem::LayerArchive
        );
        assert_eq!(
            problem(run(GZIP, &good, &sha256(b"other"), None)).0,
            Problem::LayerDiffId
        );
        assert_eq!(
            problem(run("application/wasm", &good, &diff_id, None)).0,
            Problem::LayerMediaType
        );
        assert_eq!(run(GZIP, &good, "", None).fault, None);
    }

    #[test]
    fn a_bomb_is_stopped() {
        let bomb = gzip(&vec![0; 20 << 20]);
        let layer = Descriptor {
            media_type: GZIP.to_owned(),
            digest: sha256(&bomb),
            size: bomb.len() as u64,
        };
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        sender.try_send(Bytes::from(bomb)).unwrap();
        drop(sender);
        let got = check(receiver, &layer, "", 1 << 20);
        assert_eq!(got.fault.unwrap().problem, Problem::LayerTooLarge);
        assert!(got.unpacked < 2 << 20);
    }
}
