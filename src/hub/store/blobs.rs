//! Files as clients know them: names, types, owners, and which content is theirs.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::protocol::address::UserId;

/// SHA-256 of a content.
type Digest = [u8; 32];

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The number.
    pub id: i64,
    /// 32 hex digits.
    pub uid: String,
    /// Who uploaded it; only they change it.
    pub owner: UserId,
    /// 1 to 100 characters.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Whether it is read without a token.
    pub is_public: bool,
    /// The content and its bytes, once complete.
    pub content: Option<(Digest, u64)>,
    /// The content and its bytes, uploaded but not declared complete.
    pub pending: Option<(Digest, u64)>,
    /// Until when its content may be uploaded.
    pub upload_expires_at: i64,
    /// When it was created.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
    /// When its content was last declared complete.
    pub completed_at: Option<i64>,
}

/// What a new file begins with.
#[derive(Clone, Debug)]
pub struct New {
    /// 32 random hex digits.
    pub uid: String,
    /// The owner.
    pub owner: UserId,
    /// The name, checked.
    pub name: String,
    /// The type, checked.
    pub content_type: String,
    /// Whether it is read without a token.
    pub is_public: bool,
    /// Until when it may be uploaded.
    pub upload_expires_at: i64,
}

/// Bytes taken, by one user and by all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// By the user, counting the same content as often as the user has it.
    pub user: u64,
    /// By all.
    pub all: u64,
    /// Uploads of the user that are under way.
    pub open_uploads: u64,
}

/// What the file store must keep.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Contents.
    pub digests: HashSet<Digest>,
    /// Uploads under way, by uid.
    pub uploads: HashSet<String>,
}

const COLUMNS: &str = "id, uid, user_id, name, content_type, is_public, digest, size, \
     pending_digest, pending_size, upload_expires_at, created_at, updated_at, completed_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Blob> {
    let content = |digest: &str, size: &str| -> rusqlite::Result<Option<(Digest, u64)>> {
        let digest: Option<Digest> = row.get(digest)?;
        let size: Option<i64> = row.get(size)?;
        Ok(digest.zip(size.map(i64::unsigned_abs)))
    };
    Ok(Blob {
        id: row.get("id")?,
        uid: row.get("uid")?,
        owner: row.get::<_, i64>("user_id")?.unsigned_abs(),
        name: row.get("name")?,
        content_type: row.get("content_type")?,
        is_public: row.get("is_public")?,
        content: content("digest", "size")?,
        pending: content("pending_digest", "pending_size")?,
        upload_expires_at: row.get("upload_expires_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        completed_at: row.get("completed_at")?,
    })
}

/// Creates a file without content.
pub fn create(connection: &Connection, new: &New, now: i64) -> rusqlite::Result<Blob> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO blobs (uid, user_id, name, content_type, is_public, upload_expires_at,
                                created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) RETURNING {COLUMNS}"
        ))?
        .query_row(
            params![
                new.uid,
                new.owner as i64,
                new.name,
                new.content_type,
                new.is_public,
                new.upload_expires_at,
                now
            ],
            read,
        )
}

/// The file of a number or, if it has 32 digits, of a uid.
pub fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Blob>> {
    let column = if id.len() == 32 { "uid" } else { "id" };
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM blobs WHERE {column} = ?1"))?
        .query_row([id], read)
        .optional()
}

/// A user's files, newest first, and how many there are.
pub fn list(
    connection: &Connection,
    owner: UserId,
    limit: u64,
    skip: u64,
) -> rusqlite::Result<(Vec<Blob>, u64)> {
    let owner = owner as i64;
    let total: i64 = connection
        .prepare_cached("SELECT count(*) FROM blobs WHERE user_id = ?1")?
        .query_row([owner], |row| row.get(0))?;
    let blobs = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM blobs WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3"
        ))?
        .query_map(params![owner, limit as i64, skip as i64], read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok((blobs, total.unsigned_abs()))
}

/// What is stored, and what `owner` has under way at `now`.
pub fn usage(connection: &Connection, owner: UserId, now: i64) -> rusqlite::Result<Usage> {
    const SIZES: &str = "coalesce(sum(coalesce(size, 0) + coalesce(pending_size, 0)), 0)";
    let number = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<u64> {
        let number: i64 = connection
            .prepare_cached(sql)?
            .query_row(values, |row| row.get(0))?;
        Ok(number.unsigned_abs())
    };
    let owner = owner as i64;
    Ok(Usage {
        user: number(
            &format!("SELECT {SIZES} FROM blobs WHERE user_id = ?1"),
            &[&owner],
        )?,
        all: number(&format!("SELECT {SIZES} FROM blobs"), &[])?,
        open_uploads: number(
            "SELECT count(*) FROM blobs
             WHERE user_id = ?1 AND size IS NULL AND upload_expires_at > ?2",
            &[&owner, &now],
        )?,
    })
}

/// Notes an uploaded content that is not complete yet.
pub fn set_pending(
    connection: &Connection,
    id: i64,
    digest: Digest,
    size: u64,
) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE blobs SET pending_digest = ?2, pending_size = ?3 WHERE id = ?1")?
        .execute(params![id, digest, size as i64])?;
    Ok(changed > 0)
}

/// Makes the uploaded content the file's, and takes no other.
pub fn complete(connection: &Connection, id: i64, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE blobs SET digest = pending_digest, size = pending_size, pending_digest = NULL,
                    pending_size = NULL, completed_at = ?2, updated_at = ?2,
                    upload_expires_at = ?2
             WHERE id = ?1 AND pending_digest IS NOT NULL",
        )?
        .execute(params![id, now])?;
    Ok(())
}

/// Changes name and type where they are given.
pub fn rename(
    connection: &Connection,
    id: i64,
    name: Option<&str>,
    content_type: Option<&str>,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE blobs SET name = coalesce(?2, name), updated_at = ?4,
                    content_type = coalesce(?3, content_type) WHERE id = ?1",
        )?
        .execute(params![id, name, content_type, now])?;
    Ok(())
}

/// Lets a content be uploaded until `expires`; the present one is served meanwhile.
pub fn reopen(connection: &Connection, id: i64, expires: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE blobs SET upload_expires_at = ?2 WHERE id = ?1")?
        .execute(params![id, expires])?;
    Ok(())
}

/// Removes a file.
pub fn delete(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    Ok(connection.execute("DELETE FROM blobs WHERE id = ?1", [id])? > 0)
}

/// Forgets uploads whose time is over at `now`, and tells what is still named.
pub fn sweep(connection: &Connection, now: i64) -> rusqlite::Result<Named> {
    connection.execute(
        "DELETE FROM blobs WHERE digest IS NULL AND upload_expires_at <= ?1",
        [now],
    )?;
    connection.execute(
        "UPDATE blobs SET pending_digest = NULL, pending_size = NULL
         WHERE pending_digest IS NOT NULL AND upload_expires_at <= ?1",
        [now],
    )?;
    let digests = connection
        .prepare(
            "SELECT digest FROM blobs WHERE digest IS NOT NULL
             UNION SELECT pending_digest FROM blobs WHERE pending_digest IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let uploads = connection
        .prepare("SELECT uid FROM blobs WHERE upload_expires_at > ?1")?
        .query_map([now], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Named { digests, uploads })
}
