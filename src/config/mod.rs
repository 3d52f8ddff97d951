//! Configuration files as strict types, all faults told at once.

#[cfg(feature = "hub")]
pub mod hub;
