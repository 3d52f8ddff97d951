//! Several requests in one transaction: what waits together is driven to the disk together, so
//! that a burst of messages costs one fsync and not one each.

use std::path::Path;

use rusqlite::Transaction;

use super::StoreError;
use super::database::{Database, Durability};

/// Requests carried out in one transaction at most; it bounds how long the first one waits for
/// its answer.
pub(super) const MAX_GROUP: usize = 128;

/// One request to the store.
pub(super) trait Request: Send {
    /// How hard it is to be driven to the disk.
    fn durability(&self) -> Durability;
    /// Carries it out. `false` when it failed; whatever it changed is then undone.
    fn work(&mut self, transaction: &Transaction<'_>) -> bool;
    /// Tells its outcome, now that the transaction has ended so.
    fn answer(self: Box<Self>, file: &Path, commit: Result<(), &rusqlite::Error>);
}

/// A request with its work and what follows it.
pub(super) struct Pending<T, W, A> {
    durability: Durability,
    work: Option<W>,
    outcome: Option<rusqlite::Result<T>>,
    answer: A,
}

impl<T, W, A> Pending<T, W, A> {
    /// `answer` is called once the transaction has ended, in the order of the requests; it must
    /// neither wait nor take long.
    pub(super) fn new(durability: Durability, work: W, answer: A) -> Self {
        Self {
            durability,
            work: Some(work),
            outcome: None,
            answer,
        }
    }
}

impl<T, W, A> Request for Pending<T, W, A>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    A: FnOnce(Result<T, StoreError>) + Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn work(&mut self, transaction: &Transaction<'_>) -> bool {
        let outcome = self.work.take().map(|work| work(transaction));
        let is_done = matches!(outcome, Some(Ok(_)));
        self.outcome = outcome;
        is_done
    }

    fn answer(self: Box<Self>, file: &Path, commit: Result<(), &rusqlite::Error>) {
        let outcome = match (self.outcome, commit) {
            (Some(Err(error)), _) => Err(StoreError::of(file, &error)),
            (_, Err(error)) => Err(StoreError::of(file, error)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            // Only a transaction that never began leaves work undone, and that is an error.
            (None, Ok(())) => Err(StoreError::Closed {
                file: file.to_owned(),
            }),
        };
        (self.answer)(outcome);
    }
}

/// Carries out requests in one transaction and answers them all.
pub(super) fn carry_out(database: &mut Database, mut group: Vec<Box<dyn Request>>) {
    let ended = transact(database, &mut group);
    for request in group {
        request.answer(&database.file, ended.as_ref().copied());
    }
}

fn transact(database: &mut Database, group: &mut [Box<dyn Request>]) -> rusqlite::Result<()> {
    let mut wanted = group.iter().map(|request| request.durability());
    let durability = match wanted.any(|durability| durability == Durability::PowerCut) {
        true => Durability::PowerCut,
        false => Durability::Process,
    };
    database.require(durability)?;
    let transaction = database.connection.transaction()?;
    if let [alone] = group {
        return match alone.work(&transaction) {
            true => transaction.commit(),
            // Dropping the transaction undoes it; the request knows its own error.
            false => Ok(()),
        };
    }
    for request in group {
        transaction
            .prepare_cached("SAVEPOINT request")?
            .execute([])?;
        if !request.work(&transaction) {
            // A full disk may have undone everything; then this fails, and so do all of them.
            let undo = "ROLLBACK TO request";
            transaction.prepare_cached(undo)?.execute([])?;
        }
        transaction.prepare_cached("RELEASE request")?.execute([])?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn request<W>(
        work: W,
    ) -> (
        Box<dyn Request>,
        oneshot::Receiver<Result<usize, StoreError>>,
    )
    where
        W: FnOnce(&Transaction<'_>) -> rusqlite::Result<usize> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let pending = Pending::new(Durability::Process, work, |outcome| {
            answer.send(outcome).unwrap();
        });
        (Box::new(pending), answered)
    }

    fn count(database: &Database) -> i64 {
        let sql = "SELECT count(*) FROM settings";
        database
            .connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn a_request_that_fails_leaves_no_trace_and_does_not_spoil_the_others() {
        let mut database = Database::in_memory().unwrap();
        let insert = |key: &'static str| {
            move |transaction: &Transaction<'_>| {
                transaction.execute("INSERT INTO settings VALUES (?1, '')", [key])
            }
        };
        let (one, mut first) = request(insert("a"));
        let (two, mut second) = request(move |transaction| {
            insert("b")(transaction)?;
            insert("a")(transaction)
        });
        let (three, mut third) = request(insert("c"));
        carry_out(&mut database, vec![one, two, three]);
        assert_eq!(first.try_recv().unwrap().unwrap(), 1);
        assert!(second.try_recv().unwrap().is_err());
        assert_eq!(third.try_recv().unwrap().unwrap(), 1);
        assert_eq!(count(&database), 2);
    }

    #[test]
    fn a_request_alone_that_fails_leaves_no_trace() {
        let mut database = Database::in_memory().unwrap();
        let (alone, mut answered) = request(|transaction| {
            transaction.execute("INSERT INTO settings VALUES ('a', '')", [])?;
            transaction.execute("INSERT INTO nowhere VALUES (1)", [])
        });
        carry_out(&mut database, vec![alone]);
        assert!(answered.try_recv().unwrap().is_err());
        assert_eq!(count(&database), 0);
    }
}
