//! JSON, as far as it is written here (RFC 8259).

use std::fmt::{Display, Write};

use crate::message::is_command;

/// A JSON text that is being written.
#[derive(Debug, Default)]
pub(super) struct Json {
    text: String,
    /// Whether the next member is the first of its object or array.
    is_first: bool,
}

impl Json {
    /// An object, by who writes its members.
    pub(super) fn object(members: impl FnOnce(&mut Self)) -> String {
        let mut json = Self::default();
        json.nest('{', '}', members);
        json.text
    }

    /// A member that is a text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    /// A member that is a text, or null.
    pub(super) fn text_or_null(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.number(name, "null"),
        }
    }

    /// A member that is a number, or true or false.
    pub(super) fn number(&mut self, name: &str, value: impl Display) {
        self.name(name);
        // Writing to a string does not fail.
        let _ = write!(self.text, "{value}");
    }

    /// A member that is an object.
    pub(super) fn nested(&mut self, name: &str, members: impl FnOnce(&mut Self)) {
        self.name(name);
        self.nest('{', '}', members);
    }

    /// A member that is an array of objects.
    pub(super) fn objects<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.name(name);
        self.nest('[', ']', |json| {
            for item in items {
                json.separate();
                json.nest('{', '}', |json| write(json, item));
            }
        });
    }

    /// A member that is an array of numbers.
    pub(super) fn numbers(&mut self, name: &str, items: impl IntoIterator<Item = impl Display>) {
        self.name(name);
        self.nest('[', ']', |json| {
            for item in items {
                json.separate();
                let _ = write!(json.text, "{item}");
            }
        });
    }

    fn nest(&mut self, open: char, close: char, members: impl FnOnce(&mut Self)) {
        self.text.push(open);
        self.is_first = true;
        members(self);
        self.is_first = false;
        self.text.push(close);
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.text.push(',');
        }
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.string(name);
        self.text.push(':');
    }

    fn string(&mut self, value: &str) {
        self.text.push('"');
        for character in value.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                // Control characters must be escaped; others may command a
                // terminal too.
                other if is_command(other) => {
                    for unit in other.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.text, "\\u{unit:04x}");
                    }
                }
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let nasty = "\"quoted\" \\ \n\t\0 \u{1b}[31m \u{9b} \u{202e} \u{e0041} é 𝄞 </script>";
        let text = Json::object(|json| {
            json.text(nasty, nasty);
            json.text_or_null("none", None);
            json.nested("object", |_| {});
            json.numbers("numbers", [1, 2]);
            json.objects("objects", [1.5, 2.0], |json, item| json.number("n", item));
            json.number("yes", true);
        });
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read[nasty], nasty);
        assert!(read["none"].is_null());
        assert_eq!(read["object"], serde_json::json!({}));
        assert_eq!(read["numbers"], serde_json::json!([1, 2]));
        assert_eq!(read["objects"][1]["n"], 2);
        assert_eq!(read["yes"], true);
        assert!(!text.contains(is_command));
    }
}
