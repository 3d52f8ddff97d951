//! Carrying a file to the server (wire reference E.4, step 2): as a form to whatever store the
//! server names, or piece by piece to a hub that can take up where a cut has left it.

use std::io::SeekFrom;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, Response, StatusCode, multipart};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use url::Url;

use super::blobs::{Blob, NewBlob, UploadTicket};
use super::client::RestClient;
use super::error::RestError;
use super::transfer::{
    Activity, CHUNK, FRUITLESS_TRIES, Progress, TransferError, UploadSource, safe_url,
};
use crate::base::backoff::Backoff;

/// How far the hub has got, and from where we go on (docs/design/files.md).
const OFFSET: &str = "upload-offset";
/// An error body is read up to here.
const MAX_ERROR: usize = 64 * 1024;

impl RestClient {
    /// Stores a file: begin, carry, complete. Cuts are survived by trying again, from where the
    /// cut was if the server can. Dropping the future cancels; the server forgets what it has
    /// got within the hour.
    ///
    /// # Errors
    /// [`TransferError`], after six tries in a row that carried nothing.
    pub async fn upload(
        &self,
        source: &UploadSource,
        new: &NewBlob,
        progress: &Progress,
    ) -> Result<Blob, TransferError> {
        let size = source.size().await?;
        let ticket = self.create_upload(new, size).await?;
        match self.resume_upload(&ticket, source, progress).await {
            Err(TransferError::Expired) => {
                let ticket = self.create_upload(new, size).await?;
                self.resume_upload(&ticket, source, progress).await
            }
            outcome => outcome,
        }
    }

    /// Carries what is missing of a begun upload and completes it, also in another process than
    /// the one that began it.
    ///
    /// # Errors
    /// As [`RestClient::upload`]; [`TransferError::Expired`] when a new ticket is needed,
    /// [`TransferError::Changed`] when the file is not the one of the ticket.
    pub async fn resume_upload(
        &self,
        ticket: &UploadTicket,
        source: &UploadSource,
        progress: &Progress,
    ) -> Result<Blob, TransferError> {
        let found = source.size().await?;
        if found != ticket.size {
            return Err(TransferError::Changed {
                expected: ticket.size,
                found,
            });
        }
        let mut backoff = Backoff::standard();
        let (mut fruitless, mut furthest) = (0, 0);
        loop {
            let mut reached = 0;
            let outcome = match &ticket.resume {
                Some(url) => {
                    self.append(ticket, url, source, progress, &mut reached)
                        .await
                }
                None => self.send_form(ticket, source, progress).await,
            };
            let outcome = match outcome {
                Ok(()) => self.complete_upload(ticket).await.map_err(Into::into),
                Err(error) => Err(error),
            };
            let error: TransferError = match outcome {
                Err(TransferError::Rest(RestError::NotFound(_))) => {
                    return Err(TransferError::Expired);
                }
                Err(error) if error.is_transient() => error,
                outcome => return outcome,
            };
            if reached > furthest {
                (fruitless, furthest) = (0, reached);
                backoff.reset();
            }
            fruitless += 1;
            if fruitless >= FRUITLESS_TRIES {
                return Err(error);
            }
            tracing::info!(blob = ticket.blob.id, %error, furthest, "upload goes on after a pause");
            tokio::time::sleep(retry_after(&error).unwrap_or_else(|| backoff.next_delay())).await;
        }
    }

    /// One try of the form: every query pair of the address is a field, then the file.
    async fn send_form(
        &self,
        ticket: &UploadTicket,
        source: &UploadSource,
        progress: &Progress,
    ) -> Result<(), TransferError> {
        let operation = "POST of a file";
        let mut url = self.transfer_url(&ticket.form, operation)?;
        let fields: Vec<(String, String)> = url
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        url.set_query(None);
        let mut form = multipart::Form::new();
        for (name, value) in fields {
            form = form.text(name, value);
        }
        let activity = Activity::default();
        let body = read_from(source, 0, ticket.size, progress, &activity).await?;
        let mime = &ticket.blob.content_type;
        let part = multipart::Part::stream_with_length(body, ticket.size)
            .file_name(ticket.blob.name.clone())
            .mime_str(mime)
            .map_err(|_| RestError::Setup(format!("{mime:?} is no MIME type")))?;
        let sending = async {
            let request = self
                .exchange()
                .transfer(Method::POST, url)
                .multipart(form.part("file", part));
            let answer = request.send().await.map_err(RestError::of_network)?;
            check(answer, &activity).await.map(drop)
        };
        let outcome = activity.watch(sending).await;
        outcome.map_err(|error| match error {
            // The signature's time is over; the cloud's store says 403.
            RestError::Validation { status: 403, .. } => TransferError::Expired,
            error => error.into(),
        })
    }

    /// One try of carrying what the hub does not have.
    async fn append(
        &self,
        ticket: &UploadTicket,
        address: &str,
        source: &UploadSource,
        progress: &Progress,
        reached: &mut u64,
    ) -> Result<(), TransferError> {
        let url = self.transfer_url(address, "upload of a file")?;
        let activity = Activity::default();
        let asking = async {
            let request = self.exchange().transfer(Method::HEAD, url.clone());
            let answer = request.send().await.map_err(RestError::of_network)?;
            offset_of(&check(answer, &activity).await?)
        };
        let offset = match activity.watch(asking).await {
            // Without a body a HEAD cannot say more.
            Err(RestError::Validation { status: 403, .. }) => return Err(TransferError::Expired),
            outcome => outcome?,
        };
        *reached = offset;
        progress(offset.min(ticket.size), ticket.size);
        if offset >= ticket.size {
            return Ok(());
        }
        let body = read_from(source, offset, ticket.size, progress, &activity).await?;
        let sending = async {
            let request = self
                .exchange()
                .transfer(Method::PATCH, url)
                .header(OFFSET, offset)
                .header(CONTENT_LENGTH, ticket.size - offset)
                .header(CONTENT_TYPE, "application/offset+octet-stream")
                .body(body);
            let answer = request.send().await.map_err(RestError::of_network)?;
            offset_of(&check(answer, &activity).await?)
        };
        *reached = activity.watch(sending).await?;
        Ok(())
    }

    fn transfer_url(&self, text: &str, operation: &str) -> Result<Url, RestError> {
        safe_url(text, &self.exchange().settings().api, operation)
    }
}

/// `+` is a plus here (wire reference E.4).
fn decode(text: &str) -> String {
    let text = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("k={text}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn retry_after(error: &TransferError) -> Option<std::time::Duration> {
    match error {
        TransferError::Rest(RestError::RateLimited { retry_after }) => *retry_after,
        _ => None,
    }
}

fn offset_of(answer: &Response) -> Result<u64, RestError> {
    let value = answer.headers().get(OFFSET);
    value
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .ok_or_else(|| RestError::BadAnswer {
            operation: "upload of a file".into(),
            reason: "it does not say how far the upload has got".into(),
        })
}

/// Passes a 2xx answer on; of others it makes the error of their body.
async fn check(mut answer: Response, activity: &Activity) -> Result<Response, RestError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let mut body = Vec::new();
    while body.len() < MAX_ERROR
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        activity.moved();
        body.extend_from_slice(&chunk);
    }
    if status == StatusCode::CONFLICT {
        // Somebody else is carrying the same file, or a part of it was on its way still: ask
        // again how far it has got.
        return Err(RestError::Server(status.as_u16()));
    }
    Err(RestError::of_status(status.as_u16(), None, &body))
}

/// The source from `offset` to `size` as a body, telling progress as it is taken.
async fn read_from(
    source: &UploadSource,
    offset: u64,
    size: u64,
    progress: &Progress,
    activity: &Activity,
) -> Result<Body, TransferError> {
    let (progress, activity) = (progress.clone(), activity.clone());
    let mut carried = offset;
    let mut note = move |chunk: &Bytes| {
        carried += chunk.len() as u64;
        activity.moved();
        progress(carried.min(size), size);
    };
    match source {
        UploadSource::Bytes(bytes) => {
            let from = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let rest = bytes.slice(from..);
            let chunks = stream::unfold(rest, |mut rest| async move {
                if rest.is_empty() {
                    return None;
                }
                let chunk = rest.split_to(rest.len().min(CHUNK));
                Some((chunk, rest))
            });
            Ok(Body::wrap_stream(chunks.map(move |chunk| {
                note(&chunk);
                Ok::<_, std::io::Error>(chunk)
            })))
        }
        UploadSource::File(path) => {
            let mut file = tokio::fs::File::open(path)
                .await
                .map_err(TransferError::file)?;
            file.seek(SeekFrom::Start(offset))
                .await
                .map_err(TransferError::file)?;
            // Not beyond the size of the ticket, should the file grow meanwhile.
            let rest = file.take(size - offset);
            let chunks = tokio_util::io::ReaderStream::with_capacity(rest, CHUNK);
            Ok(Body::wrap_stream(chunks.inspect(move |chunk| {
                if let Ok(chunk) = chunk {
                    note(chunk);
                }
            })))
        }
    }
}
