//! Who watches: a bounded table of sessions, each ended by its id.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The table. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    most: usize,
    open: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

/// A session's place in the table, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Not to be guessed: who knows it may end the session.
    pub id: String,
    /// When the session is to end.
    pub ended: CancellationToken,
    sessions: Sessions,
}

impl Sessions {
    /// Room for so many.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// A place, unless all are taken.
    pub fn reserve(&self) -> Option<Place> {
        let mut open = self.open.lock();
        if open.len() >= self.most {
            return None;
        }
        let (id, ended) = (uuid::Uuid::new_v4().to_string(), CancellationToken::new());
        open.insert(id.clone(), ended.clone());
        Some(Place {
            id,
            ended,
            sessions: self.clone(),
        })
    }

    /// Ends a session; whether there was one.
    pub fn end(&self, id: &str) -> bool {
        let open = self.open.lock();
        open.get(id).map(CancellationToken::cancel).is_some()
    }

    /// Ends all of them.
    pub fn end_all(&self) {
        self.open
            .lock()
            .values()
            .for_each(CancellationToken::cancel);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.lock().len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.open.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_a_place_is_given_on() {
        let sessions = Sessions::new(2);
        let first = sessions.reserve().unwrap();
        let second = sessions.reserve().unwrap();
        assert_ne!(first.id, second.id);
        assert!(sessions.reserve().is_none());
        assert!(sessions.end(&first.id) && first.ended.is_cancelled());
        assert!(!second.ended.is_cancelled());
        assert!(sessions.reserve().is_none(), "it ends when it is gone");
        let id = first.id.clone();
        drop(first);
        assert!(!sessions.end(&id));
        assert!(sessions.reserve().is_some());
        sessions.end_all();
        assert!(second.ended.is_cancelled());
    }
}
