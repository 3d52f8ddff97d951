//! What SQL here can call besides SQLite's own functions.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use serde_json::Value as Json;

use crate::hub::data::value;

/// Metres of the earth's mean radius (IUGG): distances are on a sphere.
const EARTH: f64 = 6_371_008.8;

/// Adds them to a connection: `metres_from(place, longitude, latitude)`, where `place` is a JSON
/// list of longitude and latitude; null for what is no place.
pub fn add(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("metres_from", 3, flags, |context| {
        // Whatever a field had before it was a place.
        let text = context.get_raw(0).as_str().ok();
        let place = text.and_then(|text| value::place(&serde_json::from_str::<Json>(text).ok()?));
        let centre = (context.get(1)?, context.get(2)?);
        Ok(place.map(|place| metres(place, centre)))
    })
}

/// Metres between two places of longitude and latitude in degrees (haversine).
fn metres(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (latitude, other_latitude) = (one.1.to_radians(), other.1.to_radians());
    let half = |difference: f64| (difference / 2.0).sin().powi(2);
    let a = half(other_latitude - latitude)
        + latitude.cos() * other_latitude.cos() * half((other.0 - one.0).to_radians());
    2.0 * EARTH * a.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_on_a_sphere() {
        // A degree of latitude, a quarter of the equator, and across the date line.
        for (one, other, expected) in [
            ((0.0, 0.0), (0.0, 1.0), 111_195.0),
            ((0.0, 0.0), (90.0, 0.0), 10_007_557.0),
            ((179.5, 0.0), (-179.5, 0.0), 111_195.0),
            ((13.4, 52.5), (13.4, 52.5), 0.0),
        ] {
            let found = metres(one, other);
            assert!((found - expected).abs() < 1.0, "{one:?} {other:?}: {found}");
        }
    }

    #[test]
    fn what_is_no_place_has_no_distance() {
        let connection = Connection::open_in_memory().unwrap();
        add(&connection).unwrap();
        let of = |place: Option<&str>| -> Option<f64> {
            let sql = "SELECT metres_from(?1, 0, 0)";
            connection
                .query_row(sql, [place], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(of(Some("[0, 0]")), Some(0.0));
        assert_eq!(of(None), None);
        assert_eq!(of(Some("x")), None);
        for other in ["1", "1.5", "x'ff'"] {
            let sql = format!("SELECT metres_from({other}, 0, 0)");
            let found: rusqlite::Result<Option<f64>> =
                connection.query_row(&sql, [], |row| row.get(0));
            assert_eq!(found, Ok(None), "{other}");
        }
    }
}
