//! Reading files (wire reference E.4, step 4; ST-07, ST-08, ST-10, ST-11).
//!
//! What users upload must not act in the hub's name: every content goes out in a sandbox of its
//! own origin, with its declared type and no guessing, and only types a browser merely shows are
//! shown at all.

use std::io::SeekFrom;

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::{StatusCode, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::blobs::{describe, find, is_uid, not_found};
use super::error::ApiError;
use super::params::Params;
use super::range::{Wanted, wanted};
use super::request::Request;
use super::{Answer, json as respond};
use crate::hub::files::{Digest, Purpose};
use crate::hub::store::blobs::Blob;

/// Seconds a link of `object?download_url=1` is good for (ST-11).
const LINK_SECONDS: i64 = 604_800;
/// Seconds the link is good for that a download is redirected to.
const REDIRECT_SECONDS: i64 = 3_600;
/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// `GET /blobs/{uid}`, with `?token=` unless the file is public.
pub async fn by_uid(request: &Request, uid: &str) -> Answer {
    let blob = readable(request, uid).await?;
    send(request, &blob).await
}

/// `GET /blobs/{uid}/download`
pub async fn redirect(request: &Request, uid: &str) -> Answer {
    let blob = readable(request, uid).await?;
    if blob.content.is_none() {
        return Err(not_found());
    }
    let link = link_to(request, &blob, REDIRECT_SECONDS);
    Ok(HttpResponse::MovedPermanently()
        .insert_header((header::LOCATION, link))
        // A 301 is kept for ever otherwise, and the link is not good for ever.
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

/// `GET /blobs/{uid}/content?expires=&signature=`: who has the link needs nothing else.
pub async fn by_link(request: &Request, uid: &str) -> Answer {
    let params = &request.params;
    let expires = params.number("expires").unwrap_or(0);
    let signature = params.text("signature").unwrap_or_default();
    let site = &request.site;
    let is_good = site
        .files
        .links
        .allows(Purpose::Read, uid, expires, &signature, site.now());
    if !is_good {
        return Err(ApiError::forbidden("The link has expired or is wrong"));
    }
    let blob = find(request, uid).await?;
    send(request, &blob).await
}

/// `GET /blobs/{uid}/object?download_url=1`
pub async fn object(request: &Request, uid: &str) -> Answer {
    request.user().await?;
    if !is_uid(uid) {
        return Err(not_found());
    }
    let blob = find(request, uid).await?;
    if blob.content.is_none() {
        return Err(not_found());
    }
    let link = link_to(request, &blob, LINK_SECONDS);
    let mut body = describe(&blob);
    body["blob_object_access"] = json!({
        "id": blob.id,
        "blob_id": blob.id,
        "object_access_type": "Read",
        "expires": crate::hub::clock::iso8601(request.site.now() + LINK_SECONDS),
        "download_url": link,
        // The docs spell it so.
        "dowload_url": link,
    });
    Ok(respond(StatusCode::OK, &json!({"blob": body})))
}

/// A file the request may read: a public one, or any whose uid a user of the application knows.
async fn readable(request: &Request, uid: &str) -> Result<Blob, ApiError> {
    if !is_uid(uid) {
        // A number can be guessed, so it opens only what is one's own.
        let user = request.user().await?;
        let blob = find(request, uid).await?;
        return (blob.owner == user || blob.is_public)
            .then_some(blob)
            .ok_or_else(not_found);
    }
    let blob = find(request, uid).await;
    if let Ok(blob) = &blob
        && blob.is_public
    {
        return Ok(blob.clone());
    }
    // Before it is told whether there is such a file.
    let session = match request.params.text("token") {
        Some(token) => request.session_of(&token).await?,
        None => request.session().await?,
    };
    if session.user.is_none() {
        return Err(ApiError::forbidden("The session has no user: log in first"));
    }
    blob
}

fn link_to(request: &Request, blob: &Blob, seconds: i64) -> String {
    let site = &request.site;
    let expires = site.now() + seconds;
    let query = site.files.links.query(Purpose::Read, &blob.uid, expires);
    format!("{}/blobs/{}/content?{query}", request.origin, blob.uid)
}

async fn send(request: &Request, blob: &Blob) -> Answer {
    let (digest, size) = blob.content.ok_or_else(not_found)?;
    let etag = format!("\"{}\"", hex::encode(digest));
    let conditions = &request.conditions;
    let is_known = conditions.if_none_match.as_deref().is_some_and(|tags| {
        tags.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    });
    if is_known {
        return Ok(headed(StatusCode::NOT_MODIFIED, blob, &etag).finish());
    }
    // `If-Range` with another content's tag, or with a time, asks for the whole.
    let is_same = conditions.if_range.as_ref().is_none_or(|tag| *tag == etag);
    let range = conditions.range.as_deref().filter(|_| is_same);
    let (status, first, length) = match wanted(range, size) {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Nothing => {
            return Ok(headed(StatusCode::RANGE_NOT_SATISFIABLE, blob, &etag)
                .insert_header((header::CONTENT_RANGE, format!("bytes */{size}")))
                .finish());
        }
    };
    let mut response = headed(status, blob, &etag);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + length - 1;
        let range = format!("bytes {first}-{last}/{size}");
        response.insert_header((header::CONTENT_RANGE, range));
    }
    Ok(response.body(content(request, &digest, first, length).await?))
}

async fn content(
    request: &Request,
    digest: &Digest,
    first: u64,
    length: u64,
) -> Result<SizedStream<impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + use<>>, ApiError>
{
    let mut file = request
        .site
        .files
        .read(digest)
        .await
        .map_err(ApiError::internal)?;
    file.seek(SeekFrom::Start(first))
        .await
        .map_err(ApiError::internal)?;
    let chunks = tokio_util::io::ReaderStream::with_capacity(file.take(length), CHUNK);
    Ok(SizedStream::new(length, chunks))
}

fn headed(status: StatusCode, blob: &Blob, etag: &str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    let modified = blob.completed_at.unwrap_or(blob.created_at);
    let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(modified.unsigned_abs());
    // A public file may be kept by caches on the way; both may change under their uid.
    let caching = if blob.is_public {
        "public, max-age=300"
    } else {
        "private, max-age=300"
    };
    response
        .insert_header((header::ETAG, etag))
        .insert_header((header::LAST_MODIFIED, header::HttpDate::from(modified)))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::CONTENT_TYPE, blob.content_type.as_str()))
        .insert_header((header::CONTENT_DISPOSITION, disposition(blob)))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
        ))
        // Pages of other origins show these files (E.4).
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    response
}

fn disposition(blob: &Blob) -> String {
    let how = if is_shown(&blob.content_type) {
        "inline"
    } else {
        "attachment"
    };
    let plain: String = blob
        .name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    // RFC 8187: what is no letter or digit is escaped.
    let full: String = blob
        .name
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

/// Types a browser shows without running anything. SVG and HTML are documents with scripts.
fn is_shown(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("image", sub)) => sub != "svg+xml",
        Some(("audio" | "video", _)) => true,
        Some(("text", "plain")) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_merely_shown_is_shown() {
        for shown in [
            "image/png",
            "IMAGE/JPEG",
            "video/mp4; codecs=x",
            "text/plain",
        ] {
            assert!(is_shown(shown), "{shown}");
        }
        for kept in ["text/html", "image/svg+xml", "application/xml", "x", ""] {
            assert!(!is_shown(kept), "{kept}");
        }
    }
}
