//! Offers whose bundled sections each have a transport of their own.
//!
//! RFC 8843 §7.2 lets an offer name several, in case the answer does not bundle; ours always does,
//! and then the first section's transport carries all (§7.3.1). The library takes one transport or
//! none, and browsers name only one; aiortc is a stack that names several.

/// Begins of the attributes that describe a transport.
const TRANSPORT: [&str; 7] = [
    "a=ice-ufrag:",
    "a=ice-pwd:",
    "a=ice-options:",
    "a=fingerprint:",
    "a=setup:",
    "a=candidate:",
    "a=end-of-candidates",
];
/// Of these, what a bundled section repeats.
const REPEATED: usize = 5;

fn describes_transport(line: &str) -> bool {
    TRANSPORT.iter().any(|begin| line.starts_with(begin))
}

/// The same offer with the first bundled section's transport in all of them. Lines end as they
/// came.
pub(super) fn on_one_transport(sdp: &str) -> String {
    let lines: Vec<&str> = sdp.split_inclusive('\n').collect();
    let text = |line: &'_ str| line.trim_end().to_owned();
    let group = lines
        .iter()
        .find_map(|line| line.strip_prefix("a=group:BUNDLE"))
        .unwrap_or_default();
    let mut bundled = group.split_ascii_whitespace();
    let Some(first) = bundled.next() else {
        return sdp.to_owned();
    };
    let others: Vec<&str> = bundled.collect();
    // Everything before the first section is the session's.
    let starts: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with("m="))
        .chain([lines.len()])
        .collect();
    let sections = || starts.windows(2).map(|pair| &lines[pair[0]..pair[1]]);
    let is = |section: &[&str], name: &str| {
        let own = section.iter().find_map(|line| line.strip_prefix("a=mid:"));
        own.is_some_and(|own| own.trim_end() == name)
    };
    let Some(leading) = sections().find(|section| is(section, first)) else {
        return sdp.to_owned();
    };
    let credentials = |section: &[&str]| {
        let own = section.iter().find(|line| line.starts_with(TRANSPORT[0]));
        own.map(|line| text(line))
    };
    let repeated: Vec<&str> = leading
        .iter()
        .filter(|line| {
            TRANSPORT[..REPEATED]
                .iter()
                .any(|begin| line.starts_with(begin))
        })
        .copied()
        .collect();
    let mut out: String = lines[..starts.first().copied().unwrap_or_default()].concat();
    for section in sections() {
        let follows = others.iter().any(|name| is(section, name));
        if !follows || credentials(section) == credentials(leading) {
            out.push_str(&section.concat());
            continue;
        }
        let kept = section.iter().filter(|line| !describes_transport(line));
        out.extend(kept.copied());
        out.extend(repeated.iter().copied());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offer(second: &str) -> String {
        format!(
            "v=0\r\na=group:BUNDLE 0 1\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:first\r\na=ice-pwd:one\r\n\
             a=candidate:1 1 udp 1 192.0.2.1 1000 typ host\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:1\r\na=ice-ufrag:{second}\r\na=ice-pwd:one\r\n\
             a=candidate:1 1 udp 1 192.0.2.1 2000 typ host\r\na=sendrecv\r\n"
        )
    }

    #[test]
    fn the_first_sections_transport_carries_all() {
        let one = on_one_transport(&offer("second"));
        assert_eq!(one.matches("a=ice-ufrag:first\r\n").count(), 2);
        assert!(!one.contains("second") && !one.contains("2000"), "{one}");
        assert!(
            one.contains("a=mid:1\r\na=sendrecv\r\na=ice-ufrag:first\r\n"),
            "{one}"
        );
    }

    #[test]
    fn an_offer_of_one_transport_stays_as_it_is() {
        for sdp in [
            offer("first"),
            "v=0\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n".into(),
        ] {
            assert_eq!(on_one_transport(&sdp), sdp);
        }
    }

    proptest! {
        #[test]
        fn anything_may_be_offered(sdp in "(a=group:BUNDLE [01]{0,3}|m=[a-z ]{0,4}|a=mid:[01]|a=ice-ufrag:[ab]|\r?\n){0,40}") {
            on_one_transport(&sdp);
        }
    }
}
