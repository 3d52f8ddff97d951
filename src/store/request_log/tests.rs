use super::*;

fn request(id: usize, reply: Option<&str>) -> ControlRequest {
    ControlRequest {
        name: "unlock".into(),
        request: id.to_string(),
        fingerprint: vec![1; 32],
        reply: reply.map(str::to_owned),
        at: Moment::default(),
    }
}

fn ids(requests: &[ControlRequest]) -> Vec<&str> {
    let ids = requests.iter().map(|request| request.request.as_str());
    ids.collect()
}

#[tokio::test]
async fn what_has_begun_is_there_for_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests");
    let log = RequestLog::new(Some(file.clone()), 9);
    log.begin(request(1, None)).await.unwrap();
    // The first handle is still open, and has not been told to write anything out.
    let other = RequestLog::new(Some(file), 9).kept().await.unwrap();
    assert_eq!(ids(&other), ["1"]);
    assert_eq!(other[0].reply, None);
    assert!(other[0].at.unix_ms > 0);
}

#[tokio::test]
async fn a_beginning_is_on_its_way_before_anybody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = RequestLog::new(Some(folder.path().join("requests")), 9);
    let first = log.begin(request(1, None));
    // One write comes after the other.
    log.begin(request(2, None)).await.unwrap();
    assert_eq!(ids(&log.kept().await.unwrap()), ["1", "2"]);
    first.await.unwrap();
}

#[tokio::test]
async fn an_answer_is_written_before_whatever_begins_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests");
    let log = RequestLog::new(Some(file.clone()), 9);
    log.begin(request(1, None)).await.unwrap();
    assert!(log.answered(request(1, Some("yes"))));
    log.begin(request(2, None)).await.unwrap();
    let kept = RequestLog::new(Some(file), 9).kept().await.unwrap();
    assert_eq!(ids(&kept), ["1", "2"]);
    assert_eq!(kept[0].reply.as_deref(), Some("yes"));
}

#[tokio::test]
async fn the_file_stays_small_and_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests");
    let log = RequestLog::new(Some(file.clone()), 50);
    let reply = "x".repeat(1_000);
    for n in 0..1_000 {
        log.begin(request(n, None)).await.unwrap();
        log.answered(request(n, Some(&reply)));
    }
    log.begin(request(1_000, None)).await.unwrap();
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size <= COMPACT_AT + 2_000, "{size}");
    let kept = log.kept().await.unwrap();
    let expected: Vec<String> = (951..=1_000).map(|n| n.to_string()).collect();
    assert_eq!(ids(&kept), expected);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told_and_may_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let log = RequestLog::new(Some(missing.join("requests")), 9);
    log.begin(request(1, None)).await.unwrap_err();
    std::fs::create_dir(&missing).unwrap();
    log.begin(request(2, None)).await.unwrap();
    assert_eq!(ids(&log.kept().await.unwrap()), ["2"]);
}

#[tokio::test]
async fn many_at_once_are_all_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = RequestLog::new(Some(folder.path().join("requests")), 999);
    let begun = (0..200).map(|n| log.begin(request(n, None)));
    for outcome in futures::future::join_all(begun).await {
        outcome.unwrap();
    }
    assert_eq!(log.kept().await.unwrap().len(), 200);
}
