//! Query strings and form bodies of REST requests: reading them never panics, and gives no more
//! than was there.
#![no_main]

use cubelet::hub::read_form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let read = serde_json::Value::Object(read_form(text));
    // Quotes, braces and escapes make JSON longer, but by a factor only.
    assert!(read.to_string().len() <= 8 * text.len() + 16);
});
