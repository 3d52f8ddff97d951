//! Full-text search (FTS5, unicode61: case and accents do not matter).

use rusqlite::params;

use super::History;
use super::entry::{COLUMNS, Entry, read};
use crate::store::StoreError;
use crate::store::database::Durability;

impl History {
    /// Messages that contain every word of `text`, or words beginning with them, newest first.
    /// Nothing if there is no word in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn search(
        &self,
        text: &str,
        dialog: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(expression) = expression(text) else {
            return Ok(Vec::new());
        };
        let dialog = dialog.map(str::to_owned);
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .prepare_cached(&format!(
                        "SELECT {COLUMNS} FROM message_texts t JOIN messages m ON m.seq = t.rowid
                         WHERE message_texts MATCH ?1 AND (?2 IS NULL OR m.dialog = ?2)
                           AND m.is_removed = 0
                         ORDER BY m.date_sent DESC, m.seq DESC LIMIT ?3"
                    ))?
                    .query_map(params![expression, dialog, limit], read)?
                    .collect()
            })
            .await
    }
}

/// Every word in quotes, so that nothing in it is taken for FTS5's own language.
fn expression(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\"*"))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn nothing_of_the_text_is_taken_for_the_search_language() {
        assert_eq!(
            expression("a\" OR body:NEAR(x) -y*").as_deref(),
            Some("\"a\"* \"OR\"* \"body\"* \"NEAR\"* \"x\"* \"y\"*")
        );
        assert_eq!(expression(" -*\" "), None);
    }
}
