//! Files: uploads and downloads of the device against a hub, over lines that are cut, and against
//! a store that knows only the vendor's form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cubelet::config::hub::{HubConfig, Secret};
use cubelet::hub::{RunningHub, start};
use cubelet::rest::{
    Login, NewBlob, NewUser, Progress, RestClient, RestError, RestSettings, TransferError,
    UploadSource, UploadTicket, unwatched,
};
use parking_lot::Mutex;

use crate::http::{Answer, Http, json};
use crate::proxy::Proxy;

/// More than all socket buffers between the ends together hold, so that the hub has got some of
/// it when nearly all of it has been handed over.
const BIG: usize = 40 << 20;
const NEARLY_ALL: u64 = 36 << 20;

struct Site {
    _hub: RunningHub,
    _folder: tempfile::TempDir,
    proxy: Proxy,
    rest: RestClient,
}

/// A hub behind a proxy: its links go to the host that was asked, so through the proxy as well.
async fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = HubConfig::dev_in(data, Secret::new("key"), Secret::new("admin-key"));
    let hub = start(config).await.unwrap();
    let api: url::Url = hub.ready().api.parse().unwrap();
    let proxy = Proxy::to(api.port().unwrap()).await;
    let settings = RestSettings {
        api: format!("http://127.0.0.1:{}", proxy.port())
            .parse()
            .unwrap(),
        app_id: 1,
        auth_key: String::from("key").into(),
        ca: None,
    };
    let login = Login::new("door", "password");
    let rest = RestClient::new(settings, login.clone()).unwrap();
    let new = NewUser {
        login,
        full_name: None,
    };
    rest.sign_up(&new).await.unwrap();
    Site {
        _hub: hub,
        _folder: folder,
        proxy,
        rest,
    }
}

fn new(is_public: bool) -> NewBlob {
    NewBlob {
        name: "clip.mp4".into(),
        content_type: "video/mp4".into(),
        is_public,
    }
}

/// Bytes of which no two blocks are alike, so that a part in the wrong place shows.
fn big() -> Vec<u8> {
    (0..BIG / 8)
        .flat_map(|n| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect()
}

/// A progress that notes the way, and acts once when `at` is reached.
fn acting(at: u64, act: impl Fn() + Send + Sync + 'static) -> (Progress, Arc<Mutex<Vec<u64>>>) {
    let way: Arc<Mutex<Vec<u64>>> = Arc::default();
    let has_acted = AtomicBool::new(false);
    let noted = Arc::clone(&way);
    let progress: Progress = Arc::new(move |carried, _| {
        noted.lock().push(carried);
        if carried >= at && !has_acted.swap(true, Ordering::Relaxed) {
            act();
        }
    });
    (progress, way)
}

/// Where the way went back to.
fn resumed_at(way: &[u64]) -> Option<u64> {
    way.windows(2)
        .find(|pair| pair[1] < pair[0])
        .map(|pair| pair[1])
}

#[tokio::test]
async fn a_file_is_uploaded_from_disk_and_downloaded_again() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source");
    std::fs::write(&path, b"hello file").unwrap();
    let (progress, way) = acting(u64::MAX, || ());
    let source = UploadSource::File(path);
    let blob = site
        .rest
        .upload(&source, &new(false), &progress)
        .await
        .unwrap();
    assert_eq!((blob.size, blob.name.as_str()), (Some(10), "clip.mp4"));
    assert_eq!(way.lock().last(), Some(&10));
    let info = site.rest.blob(&blob.uid).await.unwrap();
    assert_eq!(info, blob);
    assert_eq!(site.rest.blobs(1, 10).await.unwrap(), (vec![info], 1));
    let place = folder.path().join("copy");
    let size = site
        .rest
        .download(&blob.uid, &place, 10, &unwatched())
        .await;
    assert_eq!(size, Ok(10));
    assert_eq!(std::fs::read(&place).unwrap(), b"hello file");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    site.rest.delete_blob(blob.id).await.unwrap();
    site.rest.delete_blob(blob.id).await.unwrap();
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let site = site().await;
    let source = UploadSource::Bytes(bytes::Bytes::new());
    let blob = site
        .rest
        .upload(&source, &new(true), &unwatched())
        .await
        .unwrap();
    assert_eq!(blob.size, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_upload_goes_on_from_where_the_hub_has_it() {
    let site = Arc::new(site().await);
    let body = bytes::Bytes::from(big());
    let cutting = Arc::clone(&site);
    let (progress, way) = acting(NEARLY_ALL, move || cutting.proxy.cut());
    let source = UploadSource::Bytes(body.clone());
    let blob = site
        .rest
        .upload(&source, &new(false), &progress)
        .await
        .unwrap();
    let resumed = resumed_at(&way.lock()).expect("no cut");
    assert!(resumed > 0, "it began anew");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("copy");
    let size = site
        .rest
        .download(&blob.uid, &place, BIG as u64, &unwatched())
        .await;
    assert_eq!(size, Ok(BIG as u64));
    assert!(std::fs::read(&place).unwrap() == body, "other bytes came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_download_goes_on_from_where_it_was() {
    let site = Arc::new(site().await);
    let body = bytes::Bytes::from(big());
    let source = UploadSource::Bytes(body.clone());
    let blob = site
        .rest
        .upload(&source, &new(false), &unwatched())
        .await
        .unwrap();
    let cutting = Arc::clone(&site);
    let (progress, way) = acting(1 << 20, move || cutting.proxy.cut());
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("copy");
    site.rest
        .download(&blob.uid, &place, BIG as u64, &progress)
        .await
        .unwrap();
    assert_eq!(resumed_at(&way.lock()), None, "it began anew");
    assert!(std::fs::read(&place).unwrap() == body, "other bytes came");
}

#[tokio::test]
async fn a_ticket_is_taken_up_by_another_process() {
    let site = site().await;
    let source = UploadSource::Bytes(b"later".as_slice().into());
    let ticket = site.rest.create_upload(&new(true), 5).await.unwrap();
    let kept = serde_json::to_string(&ticket).unwrap();
    let ticket: UploadTicket = serde_json::from_str(&kept).unwrap();
    let blob = site
        .rest
        .resume_upload(&ticket, &source, &unwatched())
        .await
        .unwrap();
    // Once more: the first process may have died before it noted the success.
    let again = site
        .rest
        .resume_upload(&ticket, &source, &unwatched())
        .await
        .unwrap();
    assert_eq!(again, blob);
    assert!(!format!("{ticket:?}").contains("signature"));
}

#[tokio::test]
async fn a_file_that_changed_since_its_ticket_is_not_sent() {
    let site = site().await;
    let ticket = site.rest.create_upload(&new(true), 5).await.unwrap();
    let source = UploadSource::Bytes(b"longer".as_slice().into());
    let error = site
        .rest
        .resume_upload(&ticket, &source, &unwatched())
        .await;
    let expected = TransferError::Changed {
        expected: 5,
        found: 6,
    };
    assert_eq!(error, Err(expected));
}

#[tokio::test]
async fn a_ticket_of_a_deleted_file_has_expired() {
    let site = site().await;
    let ticket = site.rest.create_upload(&new(true), 5).await.unwrap();
    site.rest.delete_blob(ticket.blob.id).await.unwrap();
    let source = UploadSource::Bytes(b"later".as_slice().into());
    let error = site
        .rest
        .resume_upload(&ticket, &source, &unwatched())
        .await;
    assert_eq!(error, Err(TransferError::Expired));
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_not_kept() {
    let site = site().await;
    let source = UploadSource::Bytes(b"0123456789".as_slice().into());
    let blob = site
        .rest
        .upload(&source, &new(true), &unwatched())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("copy");
    let error = site.rest.download(&blob.uid, &place, 9, &unwatched()).await;
    assert_eq!(error, Err(TransferError::TooLarge(9)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_unknown_file_is_told_and_leaves_nothing() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("copy");
    let uid = "0".repeat(32);
    let error = site.rest.download(&uid, &place, 9, &unwatched()).await;
    assert!(matches!(
        error,
        Err(TransferError::Rest(RestError::NotFound(_)))
    ));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_vendors_store_gets_the_form_in_order_and_no_token() {
    let created = r#"{"blob":{"id":5,"uid":"u","name":"clip.mp4","content_type":"video/mp4",
        "blob_object_access":{"params":"/store?key=a%2Bb+c&policy=p%3D"}}}"#;
    let stored = Answer::With(201, "", "<PostResponse/>".into());
    let http = Http::start([json(201, created), stored, json(200, " ")]).await;
    let source = UploadSource::Bytes(b"data".as_slice().into());
    let blob = http
        .client()
        .upload(&source, &new(false), &unwatched())
        .await
        .unwrap();
    assert_eq!((blob.id, blob.size), (5, Some(4)));
    let requests = http.requests();
    let form = &requests[2];
    assert_eq!(form.line, "POST /store");
    assert_eq!(form.header("cb-token"), None);
    let at = |text: &str| {
        form.body
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", form.body))
    };
    let order = [
        at("name=\"key\"\r\n\r\na+b+c\r\n"),
        at("name=\"policy\"\r\n\r\np=\r\n"),
        at("name=\"file\"; filename=\"clip.mp4\""),
        at("\r\n\r\ndata\r\n"),
    ];
    assert!(order.is_sorted(), "{}", form.body);
    assert_eq!(requests[3].line, "PUT /blobs/5/complete");
    assert!(requests[3].body.contains("\"size\":4"));
}

#[tokio::test]
async fn a_form_lost_on_the_way_is_sent_again() {
    let created = r#"{"blob":{"id":5,"uid":"u","content_type":"a/b",
        "blob_object_access":{"params":"/store?key=k"}}}"#;
    let stored = json(204, "");
    let http = Http::start([json(201, created), Answer::Hangup, stored, json(200, " ")]).await;
    let source = UploadSource::Bytes(b"data".as_slice().into());
    http.client()
        .upload(&source, &new(false), &unwatched())
        .await
        .unwrap();
    assert_eq!(http.count("POST /store"), 2);
}

#[tokio::test]
async fn a_form_whose_hour_is_over_gets_a_new_ticket() {
    let created = r#"{"blob":{"id":5,"uid":"u","content_type":"a/b",
        "blob_object_access":{"params":"/store?key=k"}}}"#;
    let script = [
        json(201, created),
        json(403, "{}"),
        json(201, created),
        json(204, ""),
        json(200, " "),
    ];
    let http = Http::start(script).await;
    let source = UploadSource::Bytes(b"data".as_slice().into());
    http.client()
        .upload(&source, &new(false), &unwatched())
        .await
        .unwrap();
    assert_eq!(http.count("POST /blobs"), 2);
}
