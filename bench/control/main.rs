//! `make bench-control`: how quickly orders over MQTT are answered, and how many devices one broker
//! carries. Method and figures: docs/benchmarks.md.
//!
//! Usage: control_load [reply|ring|devices]...

mod burst;
mod devices;
mod place;
mod reply;
mod ring;
#[path = "../chat/statistics.rs"]
#[allow(dead_code)] // The whole of it serves bench-chat.
mod statistics;

fn main() -> anyhow::Result<()> {
    cubelet::base::tls::install_provider();
    // Cargo passes `--bench` along.
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|part| part != "--bench")
        .collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|one| one == part);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if wants("reply") {
            reply::measure().await?;
        }
        if wants("ring") {
            ring::measure().await?;
        }
        if wants("devices") {
            devices::measure().await?;
        }
        Ok(())
    })
}
