//! Text for people: what commands a terminal, or is not seen, is written out.

use std::borrow::Cow;

/// The text with its commands escaped, except for tabs: logs are
/// read on terminals, which obey such characters.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_unsafe = |character: char| is_command(character) && character != '\t';
    if !text.contains(is_unsafe) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_unsafe(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    escaped.into()
}

/// Whether a character is not seen itself, and changes how others are shown or
/// where a line ends: those of the categories Cc, Cf, Zl and Zp (Unicode 16.0
/// §4.5). U+202E, for one, has what follows read backwards.
pub(crate) fn is_command(character: char) -> bool {
    if character < '\u{ad}' {
        return character.is_control();
    }
    matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_stays() {
        let plain = "\tabc é ü 日本語 🙂 \u{a0}~";
        assert!(matches!(printable(plain), Cow::Borrowed(same) if same == plain));
    }

    #[test]
    fn what_is_not_seen_is_written_out() {
        for (text, expected) in [
            ("a\u{1b}[31m\r\n", "a\\u{1b}[31m\\r\\n"),
            ("\u{7f}\u{85}\u{9b}", "\\u{7f}\\u{85}\\u{9b}"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("line\u{2028}line\u{2029}", "line\\u{2028}line\\u{2029}"),
            ("\u{2066}\u{200b}\u{feff}", "\\u{2066}\\u{200b}\\u{feff}"),
            ("soft\u{ad}hyphen", "soft\\u{ad}hyphen"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
