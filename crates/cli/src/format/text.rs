//! Text for people: levels, counts, lines of several fields, and text from outside.

use level2::book::Level;

/// The blanks between two fields of a line.
pub(crate) const FIELD_GAP: &str = "  ";

/// The longest text from outside that is shown, in characters.
const MAX_SHOWN_CHARS: usize = 300;

/// Returns a level as `price x size`, without trailing zeros.
pub(crate) fn level_text(level: Level) -> String {
    format!("{} x {}", level.price.normalize(), level.size.normalize())
}

/// Returns a text from outside, fit for a terminal: cut to a maximum length, with a blank for each
/// control character.
pub(crate) fn printable(text: &str) -> String {
    let is_cut = text.chars().nth(MAX_SHOWN_CHARS).is_some();
    let shown = text.chars().take(MAX_SHOWN_CHARS);
    let shown: String = shown.map(|char| if char.is_control() { ' ' } else { char }).collect();
    if is_cut { shown + "..." } else { shown }
}

/// Returns a count with its noun, such as `1 gap` or `2 gaps`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Joins fields to lines of at most `width` characters, the last without a line feed. A line after
/// the first is indented, and a field that is longer than a line gets one of its own.
pub(crate) fn join_fields<S: AsRef<str>>(fields: &[S], width: usize) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for field in fields.iter().map(AsRef::as_ref) {
        let length = FIELD_GAP.len() + field.chars().count();
        if text.is_empty() {
            column = length - FIELD_GAP.len();
        } else if column + length <= width {
            text += FIELD_GAP;
            column += length;
        } else {
            text += "\n";
            text += FIELD_GAP;
            column = length;
        }
        text += field;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_go_to_the_next_line_where_they_do_not_fit() {
        let fields = ["frames 1", "gaps 0", "updates 22"];
        assert_eq!(join_fields(&fields, 28), "frames 1  gaps 0  updates 22");
        assert_eq!(join_fields(&fields, 27), "frames 1  gaps 0\n  updates 22");
        assert_eq!(join_fields(&fields, 20), "frames 1  gaps 0\n  updates 22");
        assert_eq!(join_fields(&fields, 0), "frames 1\n  gaps 0\n  updates 22");
        assert_eq!(join_fields::<&str>(&[], 10), "");
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(printable("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(printable(&"x".repeat(300)), "x".repeat(300));
        assert_eq!(printable(&"x".repeat(301)), "x".repeat(300) + "...");
    }

    #[test]
    fn nouns_agree_with_their_counts() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "gap")), ["0 gaps", "1 gap", "2 gaps"]);
    }
}
