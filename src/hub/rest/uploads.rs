//! `/uploads/{uid}`: where the bytes of a file go (wire reference E.4, step 2). `POST` takes the
//! form every SDK sends; `HEAD` and `PATCH` let a device go on after a cut (docs/design/files.md).
//!
//! Who may upload is in the signature: no session is asked for, as with the cloud's store.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{Stream, StreamExt};
use serde::Deserialize;

use super::Answer;
use super::blobs::{check_quota, is_uid};
use super::error::ApiError;
use super::params::{Params, read_form};
use super::request::origin_of;
use crate::hub::files::{FileError, PartWriter, Purpose};
use crate::hub::site::Site;
use crate::hub::store::blobs::{self, Blob};

/// Bytes of one form field but the file.
const MAX_FIELD: usize = 8 * 1024;
/// Fields of a form; the contract has ten.
const MAX_FIELDS: usize = 32;
/// A line on which nothing comes for so long is given up.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// How far the upload has got.
const OFFSET: &str = "Upload-Offset";

/// What a form's signature covers.
#[derive(Deserialize)]
struct Policy {
    key: String,
    expires: i64,
    bytes: u64,
}

/// Takes any request to an upload.
pub async fn serve(http: &HttpRequest, body: Payload, site: &Site, uid: &str) -> Answer {
    if !is_uid(uid) {
        return Err(super::blobs::not_found());
    }
    match *http.method() {
        Method::POST => take_form(http, body, site, uid).await,
        Method::HEAD => tell_offset(http, site, uid).await,
        Method::PATCH => append(http, body, site, uid).await,
        _ => Err(super::no_route(http.method().as_str(), "uploads/…")),
    }
}

/// Fields in any order, but the policy and its signature before the file, as S3 has it.
async fn take_form(http: &HttpRequest, body: Payload, site: &Site, uid: &str) -> Answer {
    let mut form = Multipart::new(http.headers(), body);
    let mut fields: HashMap<String, String> = HashMap::new();
    while let Some(field) = form.next().await {
        let mut field = field.map_err(unreadable)?;
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let limit = check_policy(site, uid, &fields)?;
            let blob = open_blob(site, uid).await?;
            // What comes after the file is not looked at, as S3 has it.
            store_form(site, &blob, &mut field, limit).await?;
            return Ok(post_response(&origin_of(http, site), uid));
        }
        if fields.len() >= MAX_FIELDS {
            return Err(ApiError::bad_request("The form has too many fields"));
        }
        let value = field.bytes(MAX_FIELD).await.map_err(|_| {
            ApiError::bad_request(format!("A field is longer than {MAX_FIELD} bytes"))
        })?;
        let value = String::from_utf8(value.map_err(unreadable)?.to_vec())
            .map_err(|_| ApiError::bad_request("A field is not UTF-8"))?;
        fields.insert(name, value);
    }
    Err(ApiError::bad_request("The form has no field named file"))
}

/// The bytes a signed form may carry.
fn check_policy(site: &Site, uid: &str, fields: &HashMap<String, String>) -> Result<u64, ApiError> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let text = field("policy");
    let is_signed = site
        .files
        .links
        .is_signed(Purpose::Form, text, field("x-amz-signature"));
    let policy = BASE64_STANDARD
        .decode(text)
        .ok()
        .and_then(|json| serde_json::from_slice::<Policy>(&json).ok())
        .filter(|_| is_signed)
        .ok_or_else(|| ApiError::forbidden("The form's signature is wrong, or after the file"))?;
    if policy.key != uid || field("key") != uid {
        return Err(ApiError::forbidden("The form is for another file"));
    }
    if policy.expires <= site.now() {
        return Err(expired());
    }
    Ok(policy.bytes)
}

async fn store_form(
    site: &Site,
    blob: &Blob,
    body: &mut (impl Stream<Item = Result<Bytes, impl Display>> + Unpin),
    limit: u64,
) -> Result<(), ApiError> {
    let mut writer = site.files.write_part(&blob.uid, None, None).await?;
    if let Err(error) = receive(&mut writer, body, limit).await {
        writer.discard().await;
        return Err(error);
    }
    drop(writer);
    let placing = site.files.placing().await;
    let (digest, size) = site.files.seal(&blob.uid, &placing).await?;
    let (rules, id, owner, now) = (site.config.files.clone(), blob.id, blob.owner, site.now());
    let noted = site.store.run(move |db| {
        // What was pending is replaced; it must not count twice.
        db.execute(
            "UPDATE blobs SET pending_digest = NULL, pending_size = NULL WHERE id = ?1",
            [id],
        )?;
        if let Err(refused) = check_quota(&rules, blobs::usage(db, owner, now)?, size) {
            return Ok(Err(refused));
        }
        Ok(Ok(blobs::set_pending(db, id, digest, size)?))
    });
    let is_there = noted.await??;
    drop(placing);
    if is_there {
        Ok(())
    } else {
        Err(super::blobs::not_found())
    }
}

async fn tell_offset(http: &HttpRequest, site: &Site, uid: &str) -> Answer {
    let blob = linked(http, site, uid).await?;
    // Completed, but the device may not have heard of it.
    let stored = blob
        .content
        .filter(|_| blob.upload_expires_at <= site.now());
    let offset = match (stored, blob.pending) {
        (Some((_, size)), _) => size,
        (None, _) if blob.upload_expires_at <= site.now() => return Err(expired()),
        (None, Some((_, size))) => site.files.part_length(uid).await?.max(size),
        (None, None) => site.files.part_length(uid).await?,
    };
    Ok(HttpResponse::Ok()
        .insert_header((OFFSET, offset.to_string()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

async fn append(http: &HttpRequest, mut body: Payload, site: &Site, uid: &str) -> Answer {
    let header = |name: &str| -> Option<u64> {
        let value = http.headers().get(name)?.to_str().ok()?;
        value.trim().parse().ok()
    };
    let offset = header(OFFSET)
        .ok_or_else(|| ApiError::bad_request("Upload-Offset must be a number of bytes"))?;
    let blob = linked(http, site, uid).await?;
    if blob.upload_expires_at <= site.now() {
        return Err(expired());
    }
    let expected = header("content-length");
    let mut writer = match site.files.write_part(uid, Some(offset), expected).await {
        Ok(writer) => writer,
        Err(FileError::Offset(reached)) => {
            let error = ApiError::from(FileError::Offset(reached));
            let mut response = error.response();
            let name = header::HeaderName::from_static("upload-offset");
            response.headers_mut().insert(name, reached.into());
            return Ok(response);
        }
        Err(error) => return Err(error.into()),
    };
    receive(&mut writer, &mut body, site.config.files.file_bytes).await?;
    Ok(HttpResponse::NoContent()
        .insert_header((OFFSET, writer.length().to_string()))
        .finish())
}

/// Writes what comes. What came before a cut is kept: it is on its way to the disk.
async fn receive(
    writer: &mut PartWriter,
    body: &mut (impl Stream<Item = Result<Bytes, impl Display>> + Unpin),
    limit: u64,
) -> Result<(), ApiError> {
    loop {
        let next = tokio::select! {
            () = writer.superseded() => {
                writer.flush().await?;
                return Err(FileError::Superseded.into());
            }
            next = tokio::time::timeout(STALL_LIMIT, body.next()) => next,
        };
        let chunk = match next {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => return Ok(writer.flush().await?),
            Ok(Some(Err(error))) => {
                writer.flush().await?;
                return Err(unreadable(error));
            }
            Err(_) => {
                writer.flush().await?;
                return Err(ApiError::stalled());
            }
        };
        if writer.length() + chunk.len() as u64 > limit {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            return Err(ApiError::too_large(limit));
        }
        writer.write(&chunk).await?;
    }
}

/// The file of a signed link.
async fn linked(http: &HttpRequest, site: &Site, uid: &str) -> Result<Blob, ApiError> {
    let query = serde_json::Value::Object(read_form(http.query_string()));
    let expires = query.number("expires").unwrap_or(0);
    let signature = query.text("signature").unwrap_or_default();
    let text = format!("{uid}\n{expires}");
    let links = &site.files.links;
    if !links.is_signed(Purpose::Append, &text, &signature) {
        return Err(ApiError::forbidden("The link's signature is wrong"));
    }
    find(site, uid).await
}

async fn open_blob(site: &Site, uid: &str) -> Result<Blob, ApiError> {
    let blob = find(site, uid).await?;
    if blob.upload_expires_at <= site.now() {
        return Err(expired());
    }
    Ok(blob)
}

async fn find(site: &Site, uid: &str) -> Result<Blob, ApiError> {
    let uid = uid.to_owned();
    let found = site.store.run(move |db| blobs::find(db, &uid)).await?;
    found.ok_or_else(super::blobs::not_found)
}

fn expired() -> ApiError {
    ApiError::forbidden("The time for the upload is over, or it is complete")
}

fn unreadable(error: impl Display) -> ApiError {
    ApiError::bad_request(format!("The upload cannot be read: {error}"))
}

fn post_response(origin: &str, uid: &str) -> HttpResponse {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{origin}/blobs/{uid}\
         </Location><Bucket>files</Bucket><Key>{uid}</Key></PostResponse>"
    );
    HttpResponse::Created()
        .content_type("application/xml")
        .body(body)
}
