//! `FIELD=VALUE` on the command line, as the JSON object of `<part>/set`.

use anyhow::bail;
use serde_json::{Map, Value};

/// A dot in a field's name leads into it: `muted.video=true` is `{"muted": {"video": true}}`.
///
/// # Errors
/// What is no `FIELD=VALUE`, or contradicts what was given before it.
pub(super) fn of(fields: &[String]) -> anyhow::Result<Value> {
    let mut wanted = Map::new();
    for field in fields {
        let Some((name, value)) = field.split_once('=') else {
            bail!("{field:?} is not FIELD=VALUE");
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let (outer, last) = name
            .rsplit_once('.')
            .map_or((None, name), |(o, l)| (Some(o), l));
        let mut object = &mut wanted;
        for level in outer.into_iter().flat_map(|outer| outer.split('.')) {
            let inner = object.entry(level).or_insert_with(|| Map::new().into());
            let Value::Object(inner) = inner else {
                bail!("{field:?}: {level} has a value already");
            };
            object = inner;
        }
        if last.is_empty() || object.insert(last.to_owned(), value).is_some() {
            bail!("{field:?}: the field is missing or given twice");
        }
    }
    Ok(wanted.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: &[&str]) -> anyhow::Result<Value> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        of(&fields)
    }

    #[test]
    fn values_are_json_or_text_and_dots_lead_into_objects() {
        let read = read(&[
            "source=v4l2:/dev/video2",
            "muted.video=true",
            "muted.audio=false",
            "n=5",
        ]);
        let expected = json!({
            "source": "v4l2:/dev/video2", "muted": {"video": true, "audio": false}, "n": 5
        });
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn what_is_no_field_or_given_twice_is_refused() {
        for wrong in [&["dnd"][..], &["=1"], &["a=1", "a=2"], &["a=1", "a.b=2"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
