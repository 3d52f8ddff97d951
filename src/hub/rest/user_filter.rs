//! Which users a list is of: the rules of `/users/v2` (US-04…US-06) and the filters of the
//! deprecated list (US-07).

use serde_json::Value as Json;
use time::{Date, Month, PrimitiveDateTime, Time};

use super::error::ApiError;
use crate::hub::store::query::{Field, Filter, Kind, Page, check_names};

/// A prefix search gives this many (US-05).
const PREFIX_LIMIT: u64 = 5;
const PRIMARY: &[&str] = &["eq", "in", "start_with"];
const COMPARE: &[&str] = &["gt", "lt", "gte", "lte"];
const EXCLUDE: &str = "nin";
/// A user's tags as rows.
const TAGS: Kind<'static> = Kind::TextIn("tags WHERE tags.user_id = users.id");

/// Fields a search may stand on.
const STAND_ALONE: &[Field] = &[
    ("id", "id", Kind::Number),
    ("login", "login", Kind::Text),
    ("email", "email", Kind::Text),
    ("full_name", "full_name", Kind::Text),
    ("phone", "phone", Kind::Text),
    ("external_id", "external_id", Kind::Text),
    ("external_user_id", "external_user_id", Kind::Text),
    ("facebook_id", "facebook_id", Kind::Text),
    ("twitter_id", "twitter_id", Kind::Text),
    ("user_tags", "tags.tag", TAGS),
];

/// Fields that narrow a search.
const DATES: &[Field] = &[
    ("last_request_at", "last_request_at", Kind::Time),
    ("created_at", "created_at", Kind::Time),
    ("updated_at", "updated_at", Kind::Time),
];

fn sort_fields() -> Vec<Field> {
    let fields = STAND_ALONE.iter().chain(DATES).copied();
    // Tags are sorted by their text, not by a row.
    fields
        .map(|(name, column, kind)| match name {
            "user_tags" => (name, name, Kind::Text),
            _ => (name, column, kind),
        })
        .collect()
}

/// Parameters that choose no user.
const PAGING: &[&str] = &["limit", "skip", "offset", "sort_asc", "sort_desc"];

/// The filter and page of a `/users/v2` request. Where the site has a `directory`, a request that
/// chooses nobody is one for everybody.
///
/// # Errors
/// 422 naming the field and the rule.
pub fn search(request: &Json, directory: bool) -> Result<(Filter, Page), ApiError> {
    let fields = sort_fields();
    check_names(request, &fields, &[])?;
    let mut page = Page::read(request, &fields, 100, 100);
    let mut filter = Filter::default();
    let mut stands = false;
    for (name, column, kind) in STAND_ALONE {
        let Some(wanted) = request.get(*name) else {
            continue;
        };
        for operator in operators(wanted) {
            let is_primary = PRIMARY.contains(&operator);
            let is_prefix_of_number = operator == "start_with" && *kind == Kind::Number;
            if (!is_primary && operator != EXCLUDE) || is_prefix_of_number {
                return Err(refused(name, operator, "eq, in, start_with and nin"));
            }
            stands |= is_primary;
            if operator == "start_with" {
                page.limit = page.limit.min(PREFIX_LIMIT);
            }
        }
        filter.add_field(name, column, *kind, wanted)?;
    }
    for (name, column, kind) in DATES {
        let Some(wanted) = request.get(*name) else {
            continue;
        };
        for operator in operators(wanted) {
            if !COMPARE.contains(&operator) {
                return Err(refused(name, operator, "gt, lt, gte and lte"));
            }
        }
        filter.add_field(name, column, *kind, wanted)?;
    }
    let chooses = request
        .as_object()
        .is_some_and(|fields| fields.keys().any(|name| !PAGING.contains(&name.as_str())));
    if !stands && (chooses || !directory) {
        let names: Vec<&str> = STAND_ALONE.iter().map(|(name, _, _)| *name).collect();
        return Err(ApiError::invalid(
            "base",
            format!(
                "At least one of {} is needed, with eq, in or start_with",
                names.join(", ")
            ),
        ));
    }
    Ok((filter, page))
}

/// The operators a field is asked with; a plain value is `eq`, a list `in`.
fn operators(wanted: &Json) -> Vec<&str> {
    match wanted {
        Json::Object(operators) => operators.keys().map(String::as_str).collect(),
        Json::Array(_) => vec!["in"],
        _ => vec!["eq"],
    }
}

fn refused(name: &str, operator: &str, allowed: &str) -> ApiError {
    let operator: String = operator.chars().take(32).collect();
    ApiError::invalid_field(
        name,
        format!("cannot be searched with {operator:?}, only with {allowed}"),
    )
}

/// One field with one condition.
///
/// # Errors
/// 422 naming the field.
pub fn single(name: &str, operator: &str, value: Json) -> Result<Filter, ApiError> {
    let field = STAND_ALONE.iter().find(|(field, _, _)| *field == name);
    let (name, column, kind) = field.ok_or_else(|| ApiError::invalid_field(name, "is unknown"))?;
    let mut filter = Filter::default();
    filter.add_field(name, column, *kind, &serde_json::json!({operator: value}))?;
    Ok(filter)
}

/// The conditions of the deprecated list: `{type} {field} {operator} {value}` each.
///
/// # Errors
/// 422 on `filter`.
pub fn listed(filters: &[String]) -> Result<Filter, ApiError> {
    let mut filter = Filter::default();
    for text in filters {
        add_listed(&mut filter, text)?;
    }
    Ok(filter)
}

fn add_listed(filter: &mut Filter, text: &str) -> Result<(), ApiError> {
    let wrong = |rule: &str| ApiError::invalid("filter", rule.to_owned());
    let mut words = text.trim().splitn(4, ' ');
    let mut word = || words.next().filter(|word| !word.is_empty());
    let (Some(_kind), Some(name), Some(operator), Some(value)) = (word(), word(), word(), word())
    else {
        return Err(wrong("must be a type, a field, an operator and a value"));
    };
    let field = STAND_ALONE
        .iter()
        .chain(DATES)
        .find(|(field, _, _)| *field == name);
    let Some((name, column, kind)) = field else {
        return Err(wrong("has a field that cannot be filtered by"));
    };
    let values: Vec<String> = value.split(',').map(|v| v.trim().to_owned()).collect();
    let bound = |text: &str| -> Result<String, ApiError> {
        if *kind != Kind::Time {
            return Ok(text.to_owned());
        }
        let seconds = day(text).ok_or_else(|| wrong("has a date that is not yyyy-mm-dd"))?;
        Ok(seconds.to_string())
    };
    let conditions: Vec<(&str, Json)> = match (operator, values.as_slice()) {
        ("between", [low, high]) => vec![("gte", bound(low)?.into()), ("lte", bound(high)?.into())],
        ("in", several) => {
            let several: Result<Vec<String>, ApiError> =
                several.iter().map(|value| bound(value)).collect();
            vec![("in", several?.into())]
        }
        ("gt" | "lt" | "eq" | "ne", _) => vec![(operator, bound(value)?.into())],
        ("ge", _) => vec![("gte", bound(value)?.into())],
        ("le", _) => vec![("lte", bound(value)?.into())],
        _ => return Err(wrong("has an operator that is not supported")),
    };
    for (operator, value) in conditions {
        filter.add_field(name, column, *kind, &serde_json::json!({operator: value}))?;
    }
    Ok(())
}

/// The order of the deprecated list: `asc|desc {type} {field}`.
///
/// # Errors
/// 422 on `order`.
pub fn order(text: &str) -> Result<(&'static str, bool), ApiError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let wrong = || ApiError::invalid("order", "must be asc or desc, a type and a field");
    let (&[direction, field] | &[direction, _, field]) = words.as_slice() else {
        return Err(wrong());
    };
    let descends = match direction {
        "asc" => false,
        "desc" => true,
        _ => return Err(wrong()),
    };
    let fields = sort_fields();
    let found = fields.iter().find(|(name, _, _)| *name == field);
    found
        .map(|(_, column, _)| (*column, descends))
        .ok_or_else(wrong)
}

/// Midnight UTC of `yyyy-mm-dd` or `yyyy.mm.dd`, in Unix seconds.
fn day(text: &str) -> Option<i64> {
    let text = text.replace('.', "-");
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let midnight = PrimitiveDateTime::new(date, Time::MIDNIGHT);
    Some(midnight.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_search_stands_on_a_field_with_a_primary_operator() {
        for good in [
            json!({"login": "a"}),
            json!({"id": {"in": ["1", "2"]}}),
            json!({"user_tags": ["a", "b"]}),
            json!({"full_name": {"start_with": "Ann"}, "login": {"nin": "b"}}),
            json!({"id": ["1"], "created_at": {"gt": "2020-01-01T00:00:00Z"}}),
        ] {
            assert!(search(&good, false).is_ok(), "{good}");
        }
        for bad in [
            json!({}),
            json!({"login": {"nin": "b"}}),
            json!({"created_at": {"gt": "1"}}),
            json!({"id": {"gt": "1"}}),
            json!({"id": {"start_with": "1"}}),
            json!({"login": "a", "created_at": {"eq": "1"}}),
            json!({"login": "a", "created_at": {"gt": "tomorrow"}}),
            json!({"login": "a", "sort_asc": "password"}),
            json!({"login": "a", "password": {"start_with": "x"}}),
        ] {
            assert!(search(&bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn where_there_is_a_directory_everybody_is_listed_but_a_search_still_stands_on_something() {
        for (request, is_good) in [
            (json!({}), true),
            (json!({"limit": "10", "sort_asc": "full_name"}), true),
            (json!({"login": {"nin": "b"}}), false),
            (json!({"shoe_size": "47"}), false),
        ] {
            assert_eq!(search(&request, true).is_ok(), is_good, "{request}");
        }
    }

    #[test]
    fn filters_of_the_deprecated_list_are_read_or_refused() {
        let texts = |text: &str| listed(&[text.to_owned()]);
        for good in [
            "number id in 1,2",
            "string login eq ann lee",
            "date created_at between 2020-01-01,2020.02.01",
        ] {
            assert!(texts(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "string login",
            "string password eq x",
            "string custom_data eq x",
            "string login like x",
            "date created_at gt x",
            "number id between 1",
        ] {
            assert!(texts(bad).is_err(), "{bad}");
        }
        assert_eq!(order("desc string login").ok(), Some(("login", true)));
        assert!(order("down string login").is_err());
        assert_eq!(day("1970-01-02"), Some(86_400));
    }
}
