//! Custom objects: what classes there are, what their records may hold, and who may do what with
//! them (CD-01…CD-03, CD-18, CD-24…CD-28).
//!
//! Invariant: a record's fields are those of its class, each of its type or null, whatever way they
//! were written; a change that breaks a rule changes nothing.
//! Must not enter: SQL, HTTP, the clock.

pub mod access;
pub mod class;
pub mod operators;
pub mod value;

pub use access::{Access, Action, Asker, Permissions};
pub use class::{Class, ClassField, Classes};
pub use value::{FieldError, FieldKind, Scalar};
