//! Reads the lines of the do-not-call list, torn ones included.

use std::collections::HashMap;

use jiff::Timestamp;
use phony_call::{Invalid, PhoneNumber};
use serde::Deserialize;

use super::DoNotCallEntry;

/// How many digits a number has after its `+`.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// An entry as it may stand in the file; people write lines by hand, too.
#[derive(Deserialize)]
struct Written {
    number: PhoneNumber,
    listed: bool,
    at: Option<Timestamp>,
    #[serde(default)]
    by: String,
}

/// The latest entry of every number, and the numbers of the lines that cannot be read. Of those
/// lines whole entries count, and every other number in them, unless it was to be taken off the
/// list.
pub(super) fn read(bytes: &[u8]) -> (HashMap<PhoneNumber, DoNotCallEntry>, Vec<usize>) {
    let (mut entries, mut torn) = (HashMap::new(), Vec::new());
    for (place, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Ok(entry) = serde_json::from_slice(line) {
            add(&mut entries, entry);
        } else if !is_of_nobody(line) {
            torn.push(place + 1);
            salvage(&String::from_utf8_lossy(line), &mut entries);
        }
    }
    (entries, torn)
}

fn add(entries: &mut HashMap<PhoneNumber, DoNotCallEntry>, written: Written) {
    let Written { number, listed, at, by } = written;
    let known = entries.get(&number).map(|known| known.at);
    // Without a time, the lower line is the later one.
    let at = at.or(known).unwrap_or(Timestamp::UNIX_EPOCH);
    // Entries of other nodes may come late.
    if known.is_none_or(|known| known <= at) {
        entries.insert(number.clone(), DoNotCallEntry { number, listed, at, by });
    }
}

/// Whether the line lists what carriers send for a withheld number, which earlier versions
/// accepted.
fn is_of_nobody(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Anything {
        number: String,
    }
    let read = serde_json::from_slice::<Anything>(line);
    read.is_ok_and(|read| PhoneNumber::parse(&read.number) == Err(Invalid::Withheld))
}

/// Splits joined lines into whole entries and the scraps between them.
fn salvage(line: &str, entries: &mut HashMap<PhoneNumber, DoNotCallEntry>) {
    let (mut begin, mut at) = (0, 0);
    while let Some(next) = line[at..].find('{').map(|offset| at + offset) {
        list_all(&line[begin..next], entries);
        let mut stream = serde_json::Deserializer::from_str(&line[next..]).into_iter::<Written>();
        if let Some(Ok(entry)) = stream.next() {
            begin = next + stream.byte_offset();
            at = begin;
            add(entries, entry);
        } else {
            (begin, at) = (next, next + 1);
        }
    }
    list_all(&line[begin..], entries);
}

/// Lists every number of a scrap.
fn list_all(scrap: &str, entries: &mut HashMap<PhoneNumber, DoNotCallEntry>) {
    // A torn entry that takes a number off the list is ignored.
    let dense: String = scrap.chars().filter(|c| !c.is_whitespace()).collect();
    if dense.contains("\"listed\":false") {
        return;
    }
    for (plus, _) in scrap.match_indices('+') {
        if let Some(number) = number_in(&scrap[plus..]) {
            add(entries, Written { number, listed: true, at: None, by: "a torn line".into() });
        }
    }
}

/// The number that a text begins with: its digits, or those of a spelling such as `+1 (212)
/// 555-0123`.
fn number_in(text: &str) -> Option<PhoneNumber> {
    let rest = &text[1..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if DIGITS.contains(&end) {
        return PhoneNumber::parse(&text[..=end]).ok();
    }
    let spelled = |c: char| c.is_ascii_digit() || " .-/()".contains(c);
    let end = rest.find(|c: char| !spelled(c)).unwrap_or(rest.len());
    PhoneNumber::parse(text[..=end].trim_end_matches(|c: char| !c.is_ascii_digit())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<(String, bool)> {
        let (entries, _) = read(text.as_bytes());
        let mut entries: Vec<_> =
            entries.into_values().map(|entry| (entry.number.to_string(), entry.listed)).collect();
        entries.sort();
        entries
    }

    fn line(number: &str, listed: bool, at: &str) -> String {
        format!(r#"{{"number":"{number}","listed":{listed},"at":"{at}","by":"x"}}"#)
    }

    #[test]
    fn joined_lines_are_split() {
        let (one, other) = (
            line("+12125550101", true, "2026-01-15T12:00:00Z"),
            line("+12125550102", true, "2026-01-15T12:00:00Z"),
        );
        let both = [("+12125550101".to_owned(), true), ("+12125550102".to_owned(), true)];
        assert_eq!(listed(&format!("{one}{other}\n")), both);
        assert_eq!(listed(&format!("{}{other}\n", &one[..one.len() - 9])), both);
        assert_eq!(listed(&format!("{}{other}\n", &one[..16])), both[1..]);
        assert_eq!(listed(&format!("\0\0\0{other}\r\n")), both[1..]);
    }

    #[test]
    fn a_torn_entry_lists_and_never_unlists() {
        let on = line("+12125550101", true, "2026-01-15T12:00:00Z");
        let off = line("+12125550101", false, "2026-01-16T12:00:00Z");
        let on_again = line("+12125550101", true, "2026-01-17T12:00:00Z");
        assert_eq!(listed(&format!("{on}\n{off}\n")), [("+12125550101".to_owned(), false)]);
        for end in 24..off.len() {
            let text = format!("{on}\n{}\n", &off[..end]);
            assert_eq!(listed(&text), [("+12125550101".to_owned(), true)], "{end}");
            let text = format!("{on}\n{off}\n{}\n", &on_again[..end]);
            assert_eq!(listed(&text), [("+12125550101".to_owned(), true)], "{end}");
        }
    }

    #[test]
    fn keys_may_come_in_any_order_and_at_and_by_may_be_missing() {
        let written = r#"{"listed":true,"number":"+12125550198"}"#;
        assert_eq!(listed(written), [("+12125550198".to_owned(), true)]);
        let (entries, torn) = read(written.as_bytes());
        assert_eq!((entries.len(), torn), (1, Vec::new()), "nothing is wrong with it");
        let on = line("+12125550198", true, "2026-01-15T12:00:00Z");
        let off = r#"{ "listed": false, "number": "+12125550198" }"#;
        assert_eq!(listed(&format!("{on}\n{off}\n")), [("+12125550198".to_owned(), false)]);
        let again = format!("{on}\n{off}\n{written}\n");
        assert_eq!(listed(&again), [("+12125550198".to_owned(), true)]);
    }

    #[test]
    fn numbers_in_an_unreadable_line_are_listed() {
        for text in [
            "+12125550197",
            "  +12125550197\r",
            "# asked on the telephone: +12125550197",
            "+1 (212) 555-0197",
            r#"{"number":"+12125550197"}"#,
            r#"{"number":"+12125550197"#,
            r#"{"at":"yesterday","number":"+12125550197","listed":true}"#,
            r#"{"by":"x","listed":true,"number":"+12125550197","#,
            r#"["+12125550197"]"#,
            r#"{"listed":"false","number":"+12125550197"}"#,
        ] {
            assert_eq!(listed(text), [("+12125550197".to_owned(), true)], "{text}");
            assert_eq!(read(text.as_bytes()).1, [1], "{text}");
        }
        let both = [("+12125550197".to_owned(), true), ("+12125550198".to_owned(), true)];
        assert_eq!(listed("+12125550197, +12125550198"), both);
        let whole = line("+12125550198", true, "2026-01-15T12:00:00Z");
        assert_eq!(listed(&format!("+12125550197 {whole}")), both);
        assert_eq!(listed(&format!("{whole}+12125550197")), both);
        assert_eq!(listed(r#"{"listed": false, "number":"+12125550197""#), []);
        assert_eq!(listed("+123 +1234567890123456 +266696687"), [], "no numbers");
    }

    #[test]
    fn invalid_utf_8_spoils_its_line_alone() {
        let whole = line("+12125550102", true, "2026-01-15T12:00:00Z");
        let bytes = [b"\xff\xfe{\n", whole.as_bytes(), b"\n"].concat();
        let (entries, torn) = read(&bytes);
        assert_eq!((entries.len(), torn), (1, vec![1]));
        let nobody = line("+12125550102", true, "x").replace("+12125550102", "+266696687");
        assert!(
            read(nobody.as_bytes()).1.is_empty(),
            "what earlier versions listed is no torn line"
        );
    }
}
