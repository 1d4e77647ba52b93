//! Raw request bodies: whole, bounded, and exactly the bytes that were signed.

use std::pin::pin;
use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use vestibule_wire::Refusal;

/// The largest body that is read (D-6).
pub const MAX_BODY: usize = 1024 * 1024;

/// How much of a body that is too large is still taken in, so that a client in the middle of sending it reads the
/// answer instead of a reset connection.
const MAX_DISCARDED: usize = 4 * MAX_BODY;

/// Reads a body within `patience`.
///
/// Refuses with `BodyTooLarge` above [`MAX_BODY`], with `EncodedBody` when it is compressed, and with `BadRequestBody`
/// when it breaks off or does not arrive in time.
pub async fn read<B>(headers: &HeaderMap, body: B, patience: Duration) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes>,
{
    let bytes =
        tokio::time::timeout(patience, collect(body)).await.map_err(|_| Refusal::BadRequestBody)??;
    if is_encoded(headers) { Err(Refusal::EncodedBody) } else { Ok(bytes) }
}

async fn collect<B>(body: B) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes>,
{
    let mut body = pin!(body);
    let announced = body.size_hint().lower();
    if announced > (MAX_BODY + MAX_DISCARDED) as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    // Small bodies arrive in one piece, and that piece is the body.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BadRequestBody)?.into_data() else { continue };
        length += data.len();
        if length > MAX_BODY + MAX_DISCARDED {
            break;
        }
        if length > MAX_BODY {
            continue;
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(announced.min(MAX_BODY as u64) as usize);
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    match length {
        0..=MAX_BODY if rest.is_empty() => Ok(first),
        0..=MAX_BODY => Ok(rest.freeze()),
        _ => Err(Refusal::BodyTooLarge),
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.is_empty() && !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}
