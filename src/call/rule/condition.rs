//! Conditions: `FIELD`, `not FIELD`, `FIELD == VALUE` (`!=`, `<`, `<=`, `>`, `>=`) and
//! `FIELD in [VALUE, …]`. Values are JSON; texts may stand in single quotes.

use std::fmt;

use serde_json::Value;

use super::path::{Facts, Path};

/// The longest condition, in bytes.
const LENGTH_MAX: usize = 512;

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    path: Path,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// There is something, and it is neither false nor empty nor zero.
    Holds,
    HoldsNot,
    Compare(Operator, Value),
    In(Vec<Value>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Longer ones first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl std::str::FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err(format!("is longer than {LENGTH_MAX} bytes"));
        }
        let text = text.trim();
        if let Some(path) = text.strip_prefix("not ") {
            let (path, test) = (path.trim().parse()?, Test::HoldsNot);
            return Ok(Self { path, test });
        }
        // The field ends where no character of it goes on; what follows is the operator.
        let end = text
            .find(|c: char| c.is_whitespace() || "=!<>".contains(c))
            .unwrap_or(text.len());
        let path: Path = text[..end].parse()?;
        let rest = text[end..].trim();
        if rest.is_empty() {
            let test = Test::Holds;
            return Ok(Self { path, test });
        }
        if let Some(list) = rest.strip_prefix("in ") {
            let Value::Array(list) = value(list)? else {
                return Err("what follows `in` must be a list such as `[1002, 1003]`".into());
            };
            let test = Test::In(list);
            return Ok(Self { path, test });
        }
        let (sign, operator) = OPERATORS
            .iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or("must be `FIELD`, `not FIELD`, `FIELD == VALUE` (!= < <= > >=) or `FIELD in [VALUE, …]`")?;
        let value = value(&rest[sign.len()..])?;
        let orders = !matches!(operator, Operator::Equal | Operator::Unequal);
        if orders && !value.is_number() {
            return Err(format!("`{sign}` compares numbers only"));
        }
        let test = Test::Compare(*operator, value);
        Ok(Self { path, test })
    }
}

fn value(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let quoted = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    if let Some(inner) = quoted
        && !inner.contains('\'')
    {
        return Ok(Value::String(inner.to_owned()));
    }
    // Lists of texts in single quotes, which a string of TOML makes easier to write.
    let json = if text.starts_with('[') && !text.contains('"') {
        text.replace('\'', "\"")
    } else {
        text.to_owned()
    };
    serde_json::from_str(&json)
        .map_err(|_| "the value must be a number, true, false, a text in quotes or a list".into())
}

impl Condition {
    /// Whether it holds.
    pub fn holds(&self, facts: Facts<'_>) -> bool {
        let found = self.path.find(facts);
        match &self.test {
            Test::Holds => found.is_some_and(is_something),
            Test::HoldsNot => !found.is_some_and(is_something),
            Test::In(list) => found.is_some_and(|found| list.iter().any(|one| same(found, one))),
            Test::Compare(Operator::Equal, value) => found.is_some_and(|found| same(found, value)),
            Test::Compare(Operator::Unequal, value) => {
                !found.is_some_and(|found| same(found, value))
            }
            Test::Compare(operator, value) => {
                let (Some(found), Some(value)) = (found.and_then(Value::as_f64), value.as_f64())
                else {
                    return false;
                };
                match operator {
                    Operator::Less => found < value,
                    Operator::AtMost => found <= value,
                    Operator::Greater => found > value,
                    _ => found >= value,
                }
            }
        }
    }

    /// What the field is now, for people who ask why it does not hold.
    pub fn found(&self, facts: Facts<'_>) -> String {
        match self.path.find(facts) {
            Some(value) => format!("{} is {value}", self.path),
            None => format!("there is no {}", self.path),
        }
    }
}

/// Numbers are the same however they are written: 1 is 1.0.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.test {
            Test::Holds => write!(f, "{path}"),
            Test::HoldsNot => write!(f, "not {path}"),
            Test::In(list) => write!(f, "{path} in {}", Value::Array(list.clone())),
            Test::Compare(operator, value) => {
                let sign = OPERATORS
                    .iter()
                    .find(|(_, one)| one == operator)
                    .map_or("", |(sign, _)| sign);
                write!(f, "{path} {sign} {value}")
            }
        }
    }
}
