//! Files on the server (wire reference E.4; ST-01…ST-16): everything but carrying the bytes.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;

/// A stored file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// The number, for changing and deleting.
    pub id: u64,
    /// The name in addresses and attachments.
    pub uid: String,
    /// File name, 1 to 100 characters.
    #[serde(default)]
    pub name: String,
    /// MIME type.
    #[serde(default)]
    pub content_type: String,
    /// Bytes; none until the upload is complete.
    #[serde(default)]
    pub size: Option<u64>,
    /// Whether it can be downloaded without a token.
    #[serde(default, rename = "public")]
    pub is_public: bool,
}

/// A file to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBlob {
    /// File name, 1 to 100 characters.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Whether it can be downloaded without a token.
    pub is_public: bool,
}

/// A begun upload. It can be stored and taken up again after a restart, within its hour.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadTicket {
    /// The file, without a size as yet.
    pub blob: Blob,
    /// Bytes to come.
    pub size: u64,
    /// Where the form goes, with its fields as the query: a credential for this one file.
    pub(super) form: String,
    /// Where a hub of our own takes the bytes so that a cut costs none of them.
    pub(super) resume: Option<String>,
}

// Not derived: the addresses are signed.
impl std::fmt::Debug for UploadTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadTicket")
            .field("blob", &self.blob)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Wrapped {
    blob: Blob,
}

#[derive(Deserialize)]
struct Created {
    blob: CreatedBlob,
}

#[derive(Deserialize)]
struct CreatedBlob {
    #[serde(flatten)]
    blob: Blob,
    blob_object_access: ObjectAccess,
}

#[derive(Deserialize)]
struct ObjectAccess {
    params: String,
    #[serde(default)]
    resume_url: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Wrapped>,
    #[serde(default)]
    total_entries: u64,
}

impl RestClient {
    /// `POST /blobs`: begins an upload of `size` bytes.
    ///
    /// # Errors
    /// [`RestError`]; [`RestError::Validation`] for a name or type the server does not take.
    pub async fn create_upload(&self, new: &NewBlob, size: u64) -> Result<UploadTicket, RestError> {
        let body = json!({"blob": {
            "name": new.name,
            "content_type": new.content_type,
            "public": new.is_public,
        }});
        let created: Created = self
            .call(Request::new(Method::POST, &["blobs"]).body(body))
            .await?;
        let access = created.blob.blob_object_access;
        Ok(UploadTicket {
            blob: created.blob.blob,
            size,
            form: access.params,
            resume: access.resume_url,
        })
    }

    /// `PUT /blobs/{id}/complete`: only from now on the file can be downloaded. May be repeated.
    pub(super) async fn complete_upload(&self, ticket: &UploadTicket) -> Result<Blob, RestError> {
        let id = ticket.blob.id.to_string();
        let request = Request::new(Method::PUT, &["blobs", &id, "complete"])
            .body(json!({"blob": {"size": ticket.size}, "size": ticket.size}));
        // The cloud answers with a blank.
        self.call_raw(&request).await?;
        Ok(Blob {
            size: Some(ticket.size),
            ..ticket.blob.clone()
        })
    }

    /// `GET /blobs/{uid}.json`: what is known of a file, by number or uid.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn blob(&self, id: &str) -> Result<Blob, RestError> {
        let name = format!("{id}.json");
        let wrapped: Wrapped = self
            .call(Request::new(Method::GET, &["blobs", &name]))
            .await?;
        Ok(wrapped.blob)
    }

    /// `GET /blobs`: one page of our own files, and how many there are.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn blobs(&self, page: u32, per_page: u32) -> Result<(Vec<Blob>, u64), RestError> {
        let request = Request::new(Method::GET, &["blobs"])
            .query("page", page)
            .query("per_page", per_page);
        let page: Page = self.call(request).await?;
        let blobs = page.items.into_iter().map(|item| item.blob).collect();
        Ok((blobs, page.total_entries))
    }

    /// `PUT /blobs/{id}`: another name.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn rename_blob(&self, id: u64, name: &str) -> Result<(), RestError> {
        let request = Request::new(Method::PUT, &["blobs", &id.to_string()])
            .body(json!({"blob": {"name": name}}));
        self.call::<Json>(request).await.map(drop)
    }

    /// `DELETE /blobs/{id}`. A file that is gone already is deleted as well as any.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn delete_blob(&self, id: u64) -> Result<(), RestError> {
        let request = Request::new(Method::DELETE, &["blobs", &id.to_string()]);
        match self.call_raw(&request).await {
            Ok(_) | Err(RestError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The address of a public file.
    ///
    /// # Errors
    /// [`RestError::Setup`].
    pub fn public_url(&self, uid: &str) -> Result<url::Url, RestError> {
        self.exchange()
            .url(&Request::new(Method::GET, &["blobs", uid]))
    }

    /// The address of any file for as long as the session lives. It holds the token: a
    /// credential, for a player or a browser on this device and for no message.
    ///
    /// # Errors
    /// As [`RestClient::session`].
    pub async fn private_url(&self, uid: &str) -> Result<url::Url, RestError> {
        let token = self.session().await?.token;
        let mut url = self.public_url(uid)?;
        url.query_pairs_mut().append_pair("token", &token);
        Ok(url)
    }
}
