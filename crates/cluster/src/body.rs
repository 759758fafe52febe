//! Bodies of answers, read frame by frame: silence and size are bounded, whatever the server
//! promises, also of what a compressed body unfolds to.

use std::{
    io::{self, Write},
    time::Duration,
};

use bytes::Bytes;
use flate2::write::GzDecoder;
use http::{Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body;

use crate::{api::innermost, error::ApiError};

/// How much room is made for a body that does not tell its length, in bytes.
const ROOM: usize = 16 << 10;

/// Collects a body of at most `most` bytes; `silence` is how long the server may send nothing.
pub(crate) async fn read(
    response: Response<Body>,
    most: usize,
    silence: Duration,
) -> Result<Bytes, ApiError> {
    let expected = header(&response, header::CONTENT_LENGTH)
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(ROOM);
    if expected > most {
        return Err(ApiError::TooLarge { most });
    }
    let room = Room {
        bytes: Vec::with_capacity(expected),
        most,
        is_full: false,
    };
    let mut sink = match header(&response, header::CONTENT_ENCODING) {
        Some("gzip") => Sink::Folded(Box::new(GzDecoder::new(room))),
        _ => Sink::Plain(room),
    };
    let mut body = response.into_body();
    loop {
        let frame = tokio::time::timeout(silence, body.frame())
            .await
            .map_err(|_| ApiError::Timeout { after: silence })?;
        match frame {
            None => return sink.end(),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    sink.take(data)?;
                }
            }
            Some(Err(error)) => {
                return Err(ApiError::Unreachable {
                    reason: innermost(&error),
                });
            }
        }
    }
}

/// Hands a body over piece by piece, at most `most` bytes of it. False where there was more.
pub(crate) async fn each(
    response: Response<Body>,
    most: u64,
    silence: Duration,
    take: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<bool, ApiError> {
    let mut body = response.into_body();
    let mut left = most;
    loop {
        let frame = tokio::time::timeout(silence, body.frame())
            .await
            .map_err(|_| ApiError::Timeout { after: silence })?;
        match frame {
            None => return Ok(true),
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else {
                    continue;
                };
                if data.len() as u64 > left {
                    take(&data[..usize::try_from(left).unwrap_or(data.len())]);
                    return Ok(false);
                }
                left -= data.len() as u64;
                take(data);
            }
            Some(Err(error)) => {
                return Err(ApiError::Unreachable {
                    reason: innermost(&error),
                });
            }
        }
    }
}

fn header(response: &Response<Body>, name: header::HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

enum Sink {
    Plain(Room),
    Folded(Box<GzDecoder<Room>>),
}

impl Sink {
    fn take(&mut self, data: &[u8]) -> Result<(), ApiError> {
        let written = match self {
            Self::Plain(room) => room.write_all(data),
            Self::Folded(decoder) => decoder.write_all(data),
        };
        written.map_err(|error| self.fault(&error))
    }

    fn end(self) -> Result<Bytes, ApiError> {
        let room = match self {
            Self::Plain(room) => room,
            Self::Folded(mut decoder) => {
                if let Err(error) = decoder.try_finish() {
                    return Err(Self::Folded(decoder).fault(&error));
                }
                decoder.finish().map_err(|error| ApiError::Unreachable {
                    reason: error.to_string(),
                })?
            }
        };
        Ok(Bytes::from(room.bytes))
    }

    fn fault(&self, error: &io::Error) -> ApiError {
        let room = match self {
            Self::Plain(room) => room,
            Self::Folded(decoder) => decoder.get_ref(),
        };
        if room.is_full {
            ApiError::TooLarge { most: room.most }
        } else {
            ApiError::Unreachable {
                reason: format!("the compressed body does not unfold: {error}"),
            }
        }
    }
}

/// Bytes up to a limit.
struct Room {
    bytes: Vec<u8>,
    most: usize,
    is_full: bool,
}

impl Write for Room {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.most {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(5);

    fn folded(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn read_folded(body: Vec<u8>, most: usize) -> Result<Bytes, ApiError> {
        let response = Response::builder()
            .header(header::CONTENT_ENCODING, "gzip")
            .body(Body::from(body))
            .unwrap();
        read(response, most, SILENCE).await
    }

    #[tokio::test]
    async fn a_compressed_body_is_unfolded() {
        let plain = b"{\"items\":[]}".repeat(10_000);
        let read = read_folded(folded(&plain), 1 << 20).await.unwrap();
        assert_eq!(read, plain);
    }

    #[tokio::test]
    async fn a_body_may_not_unfold_to_more_than_its_limit() {
        let bomb = folded(&vec![0; 8 << 20]);
        assert!(bomb.len() < 1 << 18);
        let error = read_folded(bomb, 1 << 20).await.unwrap_err();
        assert!(matches!(error, ApiError::TooLarge { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_compressed_body_that_breaks_off_is_no_body() {
        let mut body = folded(&b"pods".repeat(1_000));
        body.truncate(body.len() - 6);
        let error = read_folded(body, 1 << 20).await.unwrap_err();
        assert!(matches!(error, ApiError::Unreachable { .. }), "{error:?}");
    }
}
