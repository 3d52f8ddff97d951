//! What somebody in a call writes on the data channel: judged without a panic, answered in JSON.
#![no_main]

use std::time::{Duration, Instant};

use cubelet::call::channel_orders::{ChannelOrders, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut orders = ChannelOrders::default();
    let mut now = Instant::now();
    for line in text.lines() {
        now += Duration::from_millis(100);
        let answer = match orders.take(now, line) {
            Verdict::Ignore(_) => continue,
            Verdict::Answer(answer) => answer,
            Verdict::Obey(id, _) => orders.done(&id, Ok(())),
        };
        serde_json::from_str::<serde_json::Value>(&answer).expect("answers are JSON");
    }
});
