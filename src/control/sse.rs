//! Server-sent events (HTML Living Standard 9.2): how events are written on the stream, and read from it. Sans-IO.

use super::request::WireEvent;

/// One event as it goes on the stream.
pub fn event(event: &WireEvent) -> String {
    // JSON on one line: no line end in the data can begin a field of its own
    format!("data: {}\n\n", event.to_json())
}

/// The listener was too slow for so many events.
pub fn missed(events: u64) -> String {
    format!("event: missed\ndata: {{\"missed\":{events}}}\n\n")
}

/// The owner is leaving: nothing is lost, there is no more.
pub const END: &str = "event: end\ndata: {}\n\n";

/// A comment: keeps the stream from looking dead.
pub const KEEP_ALIVE: &str = ":\n\n";

#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Event(WireEvent),
    Missed(u64),
    End,
    /// Something that is not an event of ours.
    Garbled,
}

/// A stream cut anywhere, put together again.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    kind: String,
    data: String,
    /// More than [`Reader::MAX`] came without an end.
    overflown: bool,
}

impl Reader {
    /// An event is a line of a record; nothing of ours is longer.
    pub const MAX: usize = 64 * 1024;

    /// Takes the next bytes; the messages that are complete with them.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                messages.extend(self.take(line.strip_suffix(b"\r").unwrap_or(&line)));
            } else if self.line.len() < Reader::MAX {
                self.line.push(byte);
            } else {
                self.overflown = true;
            }
        }
        messages
    }

    fn take(&mut self, line: &[u8]) -> Option<Message> {
        if line.is_empty() {
            return self.finish();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.kind = value.to_string(),
            "data" if self.data.len() + value.len() <= Reader::MAX => self.data.push_str(value),
            "data" => self.overflown = true,
            _ => {}
        }
        None
    }

    fn finish(&mut self) -> Option<Message> {
        let Reader { kind, data, overflown, .. } = std::mem::take(self);
        if overflown {
            return Some(Message::Garbled);
        }
        let number = |data: &str| serde_json::from_str::<serde_json::Value>(data).ok()?.get("missed")?.as_u64();
        Some(match kind.as_str() {
            "end" => Message::End,
            // a comment or an empty event
            _ if data.is_empty() => return None,
            "missed" => number(&data).map_or(Message::Garbled, Message::Missed),
            "" => serde_json::from_str(&data).map_or(Message::Garbled, Message::Event),
            // a newer owner may say more
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(what: &str) -> WireEvent {
        WireEvent { t: 1.234, who: "heard".into(), what: what.into() }
    }

    #[test]
    fn an_event_is_one_line_of_json_with_its_schema() {
        assert_eq!(
            event(&heard("tone ringback")),
            "data: {\"schema\":\"tipring.event/1\",\"t\":1.234,\"who\":\"heard\",\"what\":\"tone ringback\"}\n\n"
        );
    }

    #[test]
    fn comments_and_unknown_events_are_passed_over() {
        let mut reader = Reader::default();
        assert_eq!(reader.feed(b":\n\n: hello\n\nevent: newer\ndata: 1\n\nid: 7\n\n"), []);
        assert_eq!(reader.feed(END.as_bytes()), [Message::End]);
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut reader = Reader::default();
        for _ in 0..100 {
            assert_eq!(reader.feed(&[b'x'; 4096]), []);
        }
        assert!(reader.line.len() <= Reader::MAX);
        assert_eq!(reader.feed(b"\n\n"), [Message::Garbled]);
        assert_eq!(reader.feed(event(&heard("tone busy")).as_bytes()), [Message::Event(heard("tone busy"))]);
    }

    proptest! {
        #[test]
        fn events_survive_any_cut_of_the_stream(whats in proptest::collection::vec(".*", 0..5), cut in 1usize..40) {
            let mut stream: String = whats.iter().map(|w| event(&heard(w))).collect();
            stream.push_str(&missed(7));
            stream.push_str(END);
            let mut reader = Reader::default();
            let read: Vec<_> = stream.as_bytes().chunks(cut).flat_map(|c| reader.feed(c)).collect();
            let mut sent: Vec<_> = whats.iter().map(|w| Message::Event(heard(w))).collect();
            sent.extend([Message::Missed(7), Message::End]);
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Reader::default().feed(&bytes);
        }
    }
}
