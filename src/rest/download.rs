//! Fetching a file (wire reference E.4; ST-08): to a temporary file beside its place, renamed
//! into it when whole. After a cut it goes on from where the cut was.

use std::path::{Path, PathBuf};

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::client::RestClient;
use super::error::{NetworkFault, RestError};
use super::exchange::Request;
use super::transfer::{Activity, FRUITLESS_TRIES, Progress, TransferError, safe_url};
use crate::base::backoff::Backoff;

/// The API redirects to the store, and the store may once more.
const MAX_REDIRECTS: u32 = 3;

/// What is on disk already.
struct Partial {
    file: tokio::fs::File,
    path: PathBuf,
    length: u64,
    /// Of what the length is a part; without it nothing is continued.
    etag: Option<HeaderValue>,
}

impl RestClient {
    /// Downloads a file of at most `limit` bytes to `place` and returns its size. The file
    /// appears whole or not at all; one that is there already is replaced.
    ///
    /// # Errors
    /// [`TransferError`], after six tries in a row that carried nothing.
    pub async fn download(
        &self,
        uid: &str,
        place: &Path,
        limit: u64,
        progress: &Progress,
    ) -> Result<u64, TransferError> {
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
        let path = PathBuf::from(name);
        let file = tokio::fs::File::create_new(&path)
            .await
            .map_err(TransferError::file)?;
        // Also when the caller drops the future.
        let guard = RemoveOnDrop(Some(path.clone()));
        let mut partial = Partial {
            file,
            path,
            length: 0,
            etag: None,
        };
        self.fetch(uid, &mut partial, limit, progress).await?;
        partial.file.flush().await.map_err(TransferError::file)?;
        partial.file.sync_all().await.map_err(TransferError::file)?;
        tokio::fs::rename(&partial.path, place)
            .await
            .map_err(TransferError::file)?;
        guard.keep();
        Ok(partial.length)
    }

    async fn fetch(
        &self,
        uid: &str,
        partial: &mut Partial,
        limit: u64,
        progress: &Progress,
    ) -> Result<(), TransferError> {
        let mut backoff = Backoff::standard();
        let mut fruitless = 0;
        let mut has_renewed = false;
        loop {
            let before = partial.length;
            let token = self.session().await?.token;
            let error = match self.fetch_once(uid, &token, partial, limit, progress).await {
                Err(TransferError::Rest(RestError::Unauthorised(_))) if !has_renewed => {
                    has_renewed = true;
                    self.session_instead_of(&token).await?;
                    continue;
                }
                Err(error) if error.is_transient() => error,
                outcome => return outcome,
            };
            if partial.length > before {
                fruitless = 0;
                backoff.reset();
            }
            fruitless += 1;
            if fruitless >= FRUITLESS_TRIES {
                return Err(error);
            }
            tracing::info!(%error, length = partial.length, "download goes on after a pause");
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn fetch_once(
        &self,
        uid: &str,
        token: &str,
        partial: &mut Partial,
        limit: u64,
        progress: &Progress,
    ) -> Result<(), TransferError> {
        let activity = Activity::default();
        let mut answer = activity.watch(self.ask_for(uid, token, partial)).await?;
        let total = begin(&answer, partial).await?;
        if total.is_some_and(|total| total > limit) {
            return Err(TransferError::TooLarge(limit));
        }
        loop {
            let chunk = activity
                .watch(async { answer.chunk().await.map_err(RestError::of_network) })
                .await?;
            let Some(chunk) = chunk else { break };
            if partial.length + chunk.len() as u64 > limit {
                return Err(TransferError::TooLarge(limit));
            }
            partial
                .file
                .write_all(&chunk)
                .await
                .map_err(TransferError::file)?;
            partial.length += chunk.len() as u64;
            progress(partial.length, total.unwrap_or(partial.length));
        }
        match total {
            Some(total) if total != partial.length => {
                Err(TransferError::Rest(RestError::Network {
                    kind: NetworkFault::Broken,
                    reason: format!("{} of {total} bytes came", partial.length),
                }))
            }
            _ => Ok(()),
        }
    }

    /// The token goes to the API alone, never to where it redirects.
    async fn ask_for(
        &self,
        uid: &str,
        token: &str,
        partial: &Partial,
    ) -> Result<Response, RestError> {
        let request = Request::new(Method::GET, &["blobs", uid, "download"]);
        let operation = request.operation();
        let mut url: Url = self.exchange().url(&request)?;
        let mut token = Some(token);
        for _ in 0..=MAX_REDIRECTS {
            let mut builder = self.exchange().transfer(Method::GET, url.clone());
            if let Some(token) = token.take() {
                builder = builder.headers(self.exchange().token_headers(token)?);
            }
            if let (1.., Some(etag)) = (partial.length, &partial.etag) {
                builder = builder
                    .header(RANGE, format!("bytes={}-", partial.length))
                    .header(IF_RANGE, etag.clone());
            }
            let mut answer = builder.send().await.map_err(RestError::of_network)?;
            let status = answer.status();
            if status.is_redirection() {
                let place = answer.headers().get(LOCATION);
                let place = place.and_then(|place| place.to_str().ok()).unwrap_or("");
                url = safe_url(place, &url, &operation)?;
                continue;
            }
            if status.is_success() {
                return Ok(answer);
            }
            let body = answer.chunk().await.ok().flatten().unwrap_or_default();
            return Err(RestError::of_status(status.as_u16(), None, &body));
        }
        Err(RestError::BadAnswer {
            operation,
            reason: format!("it redirects more than {MAX_REDIRECTS} times"),
        })
    }
}

/// Makes the partial file ready for what comes, and returns the size of the whole.
async fn begin(answer: &Response, partial: &mut Partial) -> Result<Option<u64>, TransferError> {
    if answer.status() == StatusCode::PARTIAL_CONTENT {
        let range = answer.headers().get(CONTENT_RANGE);
        let range = range.and_then(|range| range.to_str().ok()).unwrap_or("");
        if let Some((start, total)) = read_content_range(range)
            && start == partial.length
        {
            return Ok(Some(total));
        }
        // Nothing is continued on an answer to another question.
        partial.etag = None;
        return Err(TransferError::Rest(RestError::Network {
            kind: NetworkFault::Broken,
            reason: "another part came than was asked for".into(),
        }));
    }
    if partial.length > 0 {
        use tokio::io::AsyncSeekExt;
        partial.file.flush().await.map_err(TransferError::file)?;
        partial.file.set_len(0).await.map_err(TransferError::file)?;
        partial.file.rewind().await.map_err(TransferError::file)?;
        partial.length = 0;
    }
    let etag = answer.headers().get(ETAG).cloned();
    // A weak tag does not promise the same bytes (RFC 9110, 13.1.5).
    partial.etag = etag.filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    Ok(answer.content_length())
}

/// `bytes 5-9/10` → 5 and 10.
fn read_content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()?))
}

struct RemoveOnDrop(Option<PathBuf>);

impl RemoveOnDrop {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if let Some(path) = self.0.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "partial download not removed");
        }
    }
}
