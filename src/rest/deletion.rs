//! What became of things to be deleted together (CH-23, CH-39).

use serde::Deserialize;

/// Ids by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Gone.
    pub deleted: Vec<String>,
    /// There was no such thing.
    pub not_found: Vec<String>,
    /// We may not.
    pub forbidden: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Ids {
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "SuccessfullyDeleted")]
    deleted: Ids,
    #[serde(default, rename = "NotFound")]
    not_found: Ids,
    #[serde(default, rename = "WrongPermissions")]
    forbidden: Ids,
}

/// Reads the answer to a deletion. A single one is answered without a list.
pub(super) fn deletion(body: &[u8], asked: &[String]) -> Deletion {
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => Deletion {
            deleted: answer.deleted.ids,
            not_found: answer.not_found.ids,
            forbidden: answer.forbidden.ids,
        },
        Err(_) => Deletion {
            deleted: asked.to_vec(),
            ..Deletion::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_are_told_apart_and_one_needs_no_list() {
        let body = br#"{"SuccessfullyDeleted":{"ids":["a"]},"NotFound":{"ids":["b"]},
            "WrongPermissions":{"ids":["c"]}}"#;
        let several = deletion(body, &[]);
        assert_eq!(several.deleted, ["a"]);
        assert_eq!((several.not_found.len(), several.forbidden.len()), (1, 1));
        assert_eq!(deletion(b" ", &["x".to_owned()]).deleted, ["x"]);
    }
}
