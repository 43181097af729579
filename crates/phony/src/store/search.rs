//! What is looked for, and whether words match it: the same in every store.
//!
//! A query is words. A call matches if one of its utterances has all of them, the last one perhaps
//! only begun unless it is a single sign, or if the whole query is a part of its id, its parties or
//! its agent. Case and accents do not matter; words joined by anything but a space must stand side
//! by side. Scripts that do not part their words are read sign by sign.

use std::fmt::Write as _;

use super::summary::CallSummary;

/// How many characters are shown before and behind the place that matched.
const AROUND: usize = 60;
/// The most words of a query that are looked at.
const WORDS: usize = 16;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// As it was typed, in small letters.
    text: String,
    /// Words that must stand side by side, folded.
    phrases: Vec<Vec<String>>,
}

/// A word and the bytes it takes in its text.
struct Word {
    folded: String,
    start: usize,
    end: usize,
}

impl Query {
    /// Reads what was typed; `None` if it is nothing.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let text = typed.trim().to_lowercase();
        let mut left = WORDS;
        let phrases = typed.split_whitespace().map(|chunk| {
            let words: Vec<_> = words(chunk).take(left).map(|word| word.folded).collect();
            left -= words.len();
            words
        });
        let phrases = phrases.filter(|phrase| !phrase.is_empty()).collect();
        (!text.is_empty()).then_some(Self { text, phrases })
    }

    /// As it was typed, in small letters, without space around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Words that must stand side by side, folded; the last of the last may be only begun.
    #[must_use]
    pub fn phrases(&self) -> &[Vec<String>] {
        &self.phrases
    }

    /// The query in the language of SQLite's full-text search over texts that were
    /// [folded](fold); `None` if it has no word.
    #[must_use]
    pub fn fts(&self) -> Option<String> {
        let mut text = String::new();
        for phrase in &self.phrases {
            let space = if text.is_empty() { "" } else { " " };
            // Folded words have no quotes in them.
            write!(text, "{space}\"{}\"", phrase.join(" ")).expect("a string takes it");
        }
        if self.may_go_on() {
            text.push('*');
        }
        (!text.is_empty()).then_some(text)
    }

    /// If the utterance has all the words, what stands around the first of them.
    #[must_use]
    pub fn find(&self, utterance: &str) -> Option<String> {
        let words: Vec<_> = words(utterance).collect();
        let mut first = None;
        for (at, phrase) in self.phrases.iter().enumerate() {
            let is_last = at + 1 == self.phrases.len() && self.may_go_on();
            let begins = |place: &usize| {
                let there = &words[*place..*place + phrase.len()];
                phrase.iter().zip(there).enumerate().all(|(n, (wanted, word))| {
                    if is_last && n + 1 == phrase.len() {
                        word.folded.starts_with(wanted)
                    } else {
                        word.folded == *wanted
                    }
                })
            };
            let last_place = words.len().checked_sub(phrase.len())?;
            let place = (0..=last_place).find(begins)?;
            let end = words[place + phrase.len() - 1].end;
            first.get_or_insert((words[place].start, end));
        }
        first.map(|(start, end)| around(utterance, start, end))
    }

    /// Whether the last word may be only begun: not if it is a single sign, with which too many
    /// begin.
    pub(crate) fn may_go_on(&self) -> bool {
        let last = self.phrases.last().and_then(|phrase| phrase.last());
        last.is_some_and(|word| word.chars().nth(1).is_some())
    }

    /// Whether the query is a part of the call's id, its parties or its agent.
    #[must_use]
    pub fn names(&self, summary: &CallSummary) -> bool {
        self.is_part_of([summary.sid.as_str(), &summary.from, &summary.to, &summary.agent])
    }

    /// Whether the query is a part of one of these texts.
    #[must_use]
    pub fn is_part_of<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        texts.into_iter().any(|text| text.to_lowercase().contains(&self.text))
    }
}

/// The words of a text, folded, a space between them: what a full-text index is given.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 8);
    for word in words(text) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(&word.folded);
    }
    folded
}

fn words(text: &str) -> impl Iterator<Item = Word> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while chars.next_if(|(_, c)| !is_word(*c)).is_some() {}
        let (start, first) = chars.next()?;
        let mut word = Word { folded: String::new(), start, end: start + first.len_utf8() };
        fold_into(&mut word.folded, first);
        while !stands_alone(first)
            && let Some((at, c)) = chars.next_if(|(_, c)| is_word(*c) && !stands_alone(*c))
        {
            fold_into(&mut word.folded, c);
            word.end = at + c.len_utf8();
        }
        Some(word)
    })
    .filter(|word| !word.folded.is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_accent(c)
}

/// Signs of scripts that do not part their words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Small letters without accents, as far as Latin ones go.
fn fold_into(folded: &mut String, c: char) {
    for c in c.to_lowercase().filter(|c| !is_accent(*c)) {
        folded.push(match c {
            'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ạ'..='ặ' => 'a',
            'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
            'ď' | 'đ' => 'd',
            'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẹ'..='ệ' => 'e',
            'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
            'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ỉ' | 'ị' => 'i',
            'ł' | 'ĺ' | 'ļ' | 'ľ' => 'l',
            'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
            'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ọ'..='ợ' => 'o',
            'ŕ' | 'ŗ' | 'ř' => 'r',
            'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => 's',
            'ţ' | 'ť' | 'ț' => 't',
            'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ụ'..='ự' => 'u',
            'ý' | 'ÿ' | 'ỳ'..='ỹ' => 'y',
            'ź' | 'ż' | 'ž' => 'z',
            other => other,
        });
    }
}

/// The place and what stands around it, cut at spaces where there are some.
fn around(text: &str, start: usize, end: usize) -> String {
    let from = text[..start].char_indices().rev().nth(AROUND).map_or(0, |(at, _)| at);
    let to = text[end..].char_indices().nth(AROUND).map_or(text.len(), |(at, _)| end + at);
    let from = match from {
        0 => 0,
        from => text[from..start].find(' ').map_or(from, |at| from + at + 1),
    };
    let to = if to == text.len() { to } else { text[end..to].rfind(' ').map_or(to, |at| end + at) };
    let before = if from == 0 { "" } else { "… " };
    let behind = if to == text.len() { "" } else { " …" };
    format!("{before}{}{behind}", text[from..to].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(typed: &str, utterance: &str) -> bool {
        Query::parse(typed).unwrap().find(utterance).is_some()
    }

    #[test]
    fn all_words_must_be_there_and_the_last_may_be_only_begun() {
        let utterance = "I lost my debit card at the Café Zürich, number 0-1-2.";
        for typed in ["card", "CARD lost", "debit car", "cafe zurich", "café", "0-1-2", "numb"] {
            assert!(finds(typed, utterance), "{typed}");
        }
        for typed in ["car lost", "cards", "my-card", "?!", "ost"] {
            assert!(!finds(typed, utterance), "{typed}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_read_sign_by_sign() {
        assert!(finds("信用卡", "我的信用卡丢了。"));
        assert!(!finds("卡信", "我的信用卡丢了。"));
        assert!(finds("कार्ड", "मेरा कार्ड खो गया"));
    }

    #[test]
    fn a_query_in_the_index_language_says_the_same() {
        let fts = |typed| Query::parse(typed).unwrap().fts();
        assert_eq!(fts("Lost  my-card ca"), Some(r#""lost" "my card" "ca"*"#.into()));
        assert_eq!(fts("\"OR* NEAR(a"), Some(r#""or" "near a""#.into()));
        assert_eq!(fts("+?"), None);
        assert_eq!(Query::parse("  "), None);
        assert_eq!(fold("Ich hätte, Žižek—gern"), "ich hatte zizek gern");
    }

    #[test]
    fn what_stands_around_is_shown() {
        let text = format!("{} the debit card {}", "before ".repeat(30), "behind ".repeat(30));
        let shown = Query::parse("debit").unwrap().find(&text).unwrap();
        assert!(shown.starts_with("… before") && shown.ends_with("behind …"), "{shown}");
        assert!(shown.contains("the debit card") && shown.chars().count() < 150, "{shown}");
        assert_eq!(Query::parse("b").unwrap().find("a b").unwrap(), "a b");
    }
}
