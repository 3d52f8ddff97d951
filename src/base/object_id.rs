//! BSON-style object ids: 24 hex digits, the form of every dialog and message id on the wire
//! (wire reference B.1).

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng;
use serde::{Deserialize, Serialize};

/// A 12-byte id: 4 bytes of Unix seconds, 5 random bytes per process, a 3-byte counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId([u8; 12]);

/// The text was not 24 hexadecimal digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an id has 24 hexadecimal digits, this has {length} characters: {text:?}")]
pub struct ParseObjectIdError {
    /// Length of the rejected text in characters.
    pub length: usize,
    /// The rejected text, cut to 32 characters.
    pub text: String,
}

impl ObjectId {
    /// A fresh id for the present second.
    pub fn generate() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|since| since.as_secs() as u32)
            .unwrap_or(0);
        Self::from_parts(seconds, process_random(), next_count())
    }

    /// Builds an id from its parts; tests use it for ids that do not change.
    pub fn from_parts(seconds: u32, random: [u8; 5], count: u32) -> Self {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        bytes[4..9].copy_from_slice(&random);
        bytes[9..].copy_from_slice(&count.to_be_bytes()[1..]);
        Self(bytes)
    }

    /// The Unix second in which the id was made.
    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }
}

fn process_random() -> [u8; 5] {
    static RANDOM: std::sync::OnceLock<[u8; 5]> = std::sync::OnceLock::new();
    *RANDOM.get_or_init(|| rand::rng().random())
}

fn next_count() -> u32 {
    static COUNT: std::sync::OnceLock<AtomicU32> = std::sync::OnceLock::new();
    COUNT
        .get_or_init(|| AtomicU32::new(rand::rng().random()))
        .fetch_add(1, Ordering::Relaxed)
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

impl FromStr for ObjectId {
    type Err = ParseObjectIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 12];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseObjectIdError {
            length: text.chars().count(),
            text: text.chars().take(32).collect(),
        })?;
        Ok(Self(bytes))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_back() {
        let id = ObjectId::from_parts(0x66f0_aa00, [1, 2, 3, 4, 5], 7);
        assert_eq!(id.to_string(), "66f0aa000102030405000007");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.timestamp(), 0x66f0_aa00);
    }

    #[test]
    fn two_ids_of_one_second_differ() {
        assert_ne!(ObjectId::generate(), ObjectId::generate());
    }

    #[test]
    fn text_of_the_wrong_length_is_named() {
        assert_eq!("66f0".parse::<ObjectId>().unwrap_err().length, 4);
        assert!("zzf0aa000102030405000007".parse::<ObjectId>().is_err());
    }
}
