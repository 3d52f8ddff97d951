//! `/blobs` (wire reference E.4; ST-01…ST-15): creating, completing, listing, changing files.

use actix_web::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::Rng;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::clock::iso8601;
use crate::hub::files::Purpose;
use crate::hub::store::blobs::{self, Blob, New};
use crate::protocol::address::UserId;

/// Characters of a name (ST-01).
const MAX_NAME: usize = 100;
/// Characters of a MIME type; registered ones have at most 127 on each side (RFC 6838, 4.2).
const MAX_TYPE: usize = 255;

/// Whether a path's segment is a uid and not a number.
pub fn is_uid(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `POST /blobs`
pub async fn create(request: &Request) -> Answer {
    let owner = request.user().await?;
    let site = &request.site;
    let rules = site.config.files.clone();
    let blob = request.params.get("blob").unwrap_or(&request.params);
    let name = blob
        .text("name")
        .ok_or_else(|| ApiError::invalid("name", "can't be blank"))?;
    let content_type = blob
        .text("content_type")
        .ok_or_else(|| ApiError::invalid("content_type", "can't be blank"))?;
    check_name(&name)?;
    check_type(&content_type)?;
    let now = site.now();
    let new = New {
        uid: hex::encode(rand::rng().random::<[u8; 16]>()),
        owner,
        name,
        content_type,
        is_public: blob.flag("public"),
        upload_expires_at: now + rules.upload_seconds,
    };
    let blob = request
        .in_store(move |db| {
            let usage = blobs::usage(db, owner, now)?;
            if usage.open_uploads >= rules.open_uploads {
                let text = format!("More than {} uploads are under way", rules.open_uploads);
                return Err(ApiError::invalid("base", text));
            }
            check_quota(&rules, usage, 0)?;
            Ok(blobs::create(db, &new, now)?)
        })
        .await?;
    Ok(respond(
        StatusCode::CREATED,
        &json!({"blob": writable(request, &blob)}),
    ))
}

/// `PUT /blobs/{id}/complete`: with the size in the root or in `blob`. May be repeated.
pub async fn complete(request: &Request, id: &str) -> Answer {
    let blob = own(request, id).await?;
    let site = &request.site;
    let params = &request.params;
    let size = params
        .number("size")
        .or_else(|| params.get("blob")?.number("size"));
    let size = size.and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| ApiError::invalid("size", "must be a number of bytes"))?;
    let now = site.now();
    let is_over = blob.upload_expires_at <= now;
    if is_over && blob.content.is_some_and(|(_, stored)| stored == size) {
        return Ok(done());
    }
    if is_over {
        return Err(ApiError::invalid("base", "The time for the upload is over"));
    }
    let placing = site.files.placing().await;
    // Carried piece by piece, the upload is sealed here; a form was sealed at its end.
    let appended = site.files.part_length(&blob.uid).await?;
    let pending = blob.pending.map(|(_, size)| size);
    let is_appended = appended > 0 || pending.is_none();
    let uploaded = if is_appended { Some(appended) } else { pending };
    if uploaded != Some(size) {
        let uploaded = uploaded.unwrap_or(0);
        let text = format!("is {size}, but {uploaded} bytes were uploaded");
        return Err(ApiError::invalid("size", text));
    }
    let sealed = if is_appended {
        if appended == 0 {
            site.files
                .write_part(&blob.uid, None, None)
                .await?
                .flush()
                .await?;
        }
        Some(site.files.seal(&blob.uid, &placing).await?)
    } else {
        None
    };
    let rules = site.config.files.clone();
    request
        .in_store(move |db| {
            if let Some((digest, size)) = sealed {
                check_quota(&rules, blobs::usage(db, blob.owner, now)?, size)?;
                blobs::set_pending(db, blob.id, digest, size)?;
            }
            Ok(blobs::complete(db, blob.id, now)?)
        })
        .await?;
    drop(placing);
    Ok(done())
}

/// `GET /blobs/{id}.json`: by uid for every user, as who has the uid may read the file; by number,
/// which can be guessed, for the owner or of a public file.
pub async fn show(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let blob = find(request, id).await?;
    if blob.owner != user && !blob.is_public && !is_uid(id) {
        return Err(not_found());
    }
    Ok(respond(StatusCode::OK, &json!({"blob": describe(&blob)})))
}

/// `GET /blobs`: one's own.
pub async fn list(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let number = |name: &str| {
        params
            .number(name)
            .and_then(|number| u64::try_from(number).ok())
    };
    let page = number("page").or_else(|| number("current_page"));
    let page = page.unwrap_or(1).clamp(1, 1_000_000);
    let per_page = number("per_page").unwrap_or(10).clamp(1, 100);
    let (blobs, total) = request
        .site
        .store
        .run(move |db| blobs::list(db, user, per_page, (page - 1) * per_page))
        .await?;
    let items: Vec<Json> = blobs
        .iter()
        .map(|blob| json!({"blob": describe(blob)}))
        .collect();
    Ok(respond(
        StatusCode::OK,
        &json!({
            "current_page": page,
            "per_page": per_page,
            "total_entries": total,
            "items": items,
        }),
    ))
}

/// `PUT /blobs/{id}`: name and type; `new=1` asks for a place to upload another content to.
pub async fn update(request: &Request, id: &str) -> Answer {
    let blob = own(request, id).await?;
    let site = &request.site;
    let wanted = request.params.get("blob").unwrap_or(&request.params);
    let (name, content_type) = (wanted.text("name"), wanted.text("content_type"));
    if let Some(name) = &name {
        check_name(name)?;
    }
    if let Some(content_type) = &content_type {
        check_type(content_type)?;
    }
    let is_new = wanted.flag("new");
    let now = site.now();
    let expires = now + site.config.files.upload_seconds;
    let updated = site
        .store
        .run(move |db| {
            blobs::rename(db, blob.id, name.as_deref(), content_type.as_deref(), now)?;
            if is_new {
                blobs::reopen(db, blob.id, expires)?;
            }
            blobs::find(db, &blob.uid)
        })
        .await?;
    let updated = updated.ok_or_else(not_found)?;
    let body = if is_new {
        writable(request, &updated)
    } else {
        describe(&updated)
    };
    Ok(respond(StatusCode::OK, &json!({"blob": body})))
}

/// `DELETE /blobs/{id}`. The content goes with the next sweep, unless another file has the same.
pub async fn delete(request: &Request, id: &str) -> Answer {
    let blob = own(request, id).await?;
    request
        .site
        .store
        .run(move |db| blobs::delete(db, blob.id))
        .await?;
    Ok(done())
}

/// A file by number or uid.
///
/// # Errors
/// 404.
pub async fn find(request: &Request, id: &str) -> Result<Blob, ApiError> {
    let is_number = !id.is_empty() && id.len() < 19 && id.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number && !is_uid(id) {
        return Err(not_found());
    }
    let id = id.to_ascii_lowercase();
    let found = request
        .site
        .store
        .run(move |db| blobs::find(db, &id))
        .await?;
    found.ok_or_else(not_found)
}

async fn own(request: &Request, id: &str) -> Result<Blob, ApiError> {
    let user: UserId = request.user().await?;
    let blob = find(request, id).await?;
    if blob.owner != user {
        return Err(ApiError::forbidden("You can change only your own files"));
    }
    Ok(blob)
}

/// No such file.
pub fn not_found() -> ApiError {
    ApiError::not_found("File not found")
}

/// The file object of wire reference E.4.
pub fn describe(blob: &Blob) -> Json {
    json!({
        "id": blob.id,
        "uid": blob.uid,
        "name": blob.name,
        "content_type": blob.content_type,
        "size": blob.content.map(|(_, size)| size),
        "public": blob.is_public,
        "status": if blob.content.is_some() { "complete" } else { "new" },
        "set_completed_at": blob.completed_at.map(iso8601),
        "created_at": iso8601(blob.created_at),
        "updated_at": iso8601(blob.updated_at),
    })
}

/// The file with the place its content goes to.
fn writable(request: &Request, blob: &Blob) -> Json {
    let mut body = describe(blob);
    let links = &request.site.files.links;
    let expires = blob.upload_expires_at;
    let address = format!("{}/uploads/{}", request.origin, blob.uid);
    let policy = json!({
        "key": blob.uid,
        "expires": expires,
        "bytes": request.site.config.files.file_bytes,
    });
    let policy = BASE64_STANDARD.encode(policy.to_string());
    let signature = links.sign(Purpose::Form, &policy);
    let date: String = iso8601(request.site.now())
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    let acl = if blob.is_public {
        "public-read"
    } else {
        "authenticated-read"
    };
    let fields = [
        ("Content-Type", blob.content_type.as_str()),
        ("Expires", &iso8601(expires)),
        ("acl", acl),
        ("key", &blob.uid),
        ("policy", &policy),
        ("success_action_status", "201"),
        ("x-amz-algorithm", "HMAC-SHA256"),
        ("x-amz-credential", &blob.uid),
        ("x-amz-date", &date),
        ("x-amz-signature", &signature),
    ];
    let query: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    body["blob_object_access"] = json!({
        "id": blob.id,
        "blob_id": blob.id,
        "expires": iso8601(expires),
        "object_access_type": "Write",
        "params": format!("{address}?{}", query.join("&")),
        // Our own: where an upload goes on after a cut (docs/design/files.md).
        "resume_url": format!("{address}?{}", links.query(Purpose::Append, &blob.uid, expires)),
    });
    body
}

/// Everything but unreserved characters becomes `%XX`: the SDK's parser of addresses takes no raw
/// `@`, and a `+` is a plus to it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Refuses `size` more bytes beyond a user's or the site's share.
///
/// # Errors
/// 422 for the user's, 507 for the site's.
pub fn check_quota(
    rules: &crate::config::hub::FileRules,
    usage: blobs::Usage,
    size: u64,
) -> Result<(), ApiError> {
    if usage.user.saturating_add(size) > rules.user_bytes {
        let text = format!("Your files would take more than {} bytes", rules.user_bytes);
        return Err(ApiError::invalid("base", text));
    }
    if usage.all.saturating_add(size) > rules.total_bytes {
        tracing::warn!(limit = rules.total_bytes, "files.total_bytes is used up");
        return Err(ApiError::no_space());
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.chars().count() > MAX_NAME {
        let text = format!("is longer than {MAX_NAME} characters");
        return Err(ApiError::invalid("name", text));
    }
    if name.chars().any(char::is_control) {
        return Err(ApiError::invalid("name", "has control characters"));
    }
    Ok(())
}

/// `type/subtype` with optional parameters, of characters a header can carry.
fn check_type(text: &str) -> Result<(), ApiError> {
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_type = essence
        .split_once('/')
        .is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    let is_header = text.len() <= MAX_TYPE && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    if is_type && is_header {
        return Ok(());
    }
    Err(ApiError::invalid("content_type", "is no MIME type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_unreserved_characters_is_left_raw() {
        assert_eq!(escape("a@b/c+d e=%é~"), "a%40b%2Fc%2Bd%20e%3D%25%C3%A9~");
    }

    #[test]
    fn a_type_is_two_tokens_and_maybe_parameters() {
        for good in ["image/png", "text/plain; charset=utf-8", "a/b.c+d"] {
            assert!(check_type(good).is_ok(), "{good}");
        }
        for bad in ["", "png", "image/", "/png", "a/b\r\nX: y", "a b/c", "é/x"] {
            assert!(check_type(bad).is_err(), "{bad}");
        }
    }
}
