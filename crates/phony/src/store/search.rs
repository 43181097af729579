//! Search queries, and how text matches them: the same in every store.
//!
//! A query consists of words. A call matches if one of its utterances has all of them, or if the
//! whole query is a part of the call's id, of a party or of the agent's id. The last word is a
//! prefix, unless it is a single character. Case and accents are ignored; words joined by anything
//! but a space form a phrase. In scripts without spaces between words, each character is a word.

use std::fmt::Write as _;

use super::summary::CallSummary;

/// How many characters of an excerpt stand before and after the match.
const CONTEXT: usize = 60;
/// The most words of a query that are used.
const WORDS: usize = 16;

/// A search query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The query as typed, in lower case.
    text: String,
    /// Phrases of folded words.
    phrases: Vec<Vec<String>>,
}

/// A folded word, and its range of bytes in the text.
struct Word {
    folded: String,
    start: usize,
    end: usize,
}

impl Query {
    /// Parses what was typed; `None` if it is blank.
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

    /// The query as typed, trimmed and in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Phrases of folded words; the last word of the last phrase may be a prefix.
    #[must_use]
    pub fn phrases(&self) -> &[Vec<String>] {
        &self.phrases
    }

    /// The query in the syntax of SQLite's FTS5, for text that was [folded](fold); `None` if it has
    /// no words.
    #[must_use]
    pub fn fts(&self) -> Option<String> {
        let mut text = String::new();
        for phrase in &self.phrases {
            let space = if text.is_empty() { "" } else { " " };
            // Folded words contain no quotes.
            write!(text, "{space}\"{}\"", phrase.join(" ")).expect("a string takes it");
        }
        if self.ends_in_prefix() {
            text.push('*');
        }
        (!text.is_empty()).then_some(text)
    }

    /// An excerpt around the first word, if the utterance has all words.
    #[must_use]
    pub fn find(&self, utterance: &str) -> Option<String> {
        let words: Vec<_> = words(utterance).collect();
        let mut first = None;
        for (at, phrase) in self.phrases.iter().enumerate() {
            let is_last = at + 1 == self.phrases.len() && self.ends_in_prefix();
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
        first.map(|(start, end)| excerpt(utterance, start, end))
    }

    /// Whether the last word is a prefix: not if it is a single character, with which too many
    /// words start.
    pub(crate) fn ends_in_prefix(&self) -> bool {
        let last = self.phrases.last().and_then(|phrase| phrase.last());
        last.is_some_and(|word| word.chars().nth(1).is_some())
    }

    /// Whether the query is a part of the call's id, of a party or of the agent's id.
    #[must_use]
    pub fn matches_names(&self, summary: &CallSummary) -> bool {
        self.is_part_of([summary.sid.as_str(), &summary.from, &summary.to, &summary.agent])
    }

    /// Whether the query is a part of one of these texts.
    #[must_use]
    pub fn is_part_of<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        texts.into_iter().any(|text| text.to_lowercase().contains(&self.text))
    }
}

/// The folded words of a text, separated by spaces, as a full-text index gets them.
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
        while !is_word_by_itself(first)
            && let Some((at, c)) = chars.next_if(|(_, c)| is_word(*c) && !is_word_by_itself(*c))
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

/// Characters of scripts without spaces between words: Chinese, Japanese, Thai, Lao, Khmer,
/// Burmese.
fn is_word_by_itself(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Appends a character in lower case, without its accent if it is Latin.
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

/// The text around a match, cut at spaces where possible.
fn excerpt(text: &str, start: usize, end: usize) -> String {
    let from = text[..start].char_indices().rev().nth(CONTEXT).map_or(0, |(at, _)| at);
    let to = text[end..].char_indices().nth(CONTEXT).map_or(text.len(), |(at, _)| end + at);
    let from = match from {
        0 => 0,
        from => text[from..start].find(' ').map_or(from, |at| from + at + 1),
    };
    let to = if to == text.len() { to } else { text[end..to].rfind(' ').map_or(to, |at| end + at) };
    let before = if from == 0 { "" } else { "… " };
    let after = if to == text.len() { "" } else { " …" };
    format!("{before}{}{after}", text[from..to].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(typed: &str, utterance: &str) -> bool {
        Query::parse(typed).unwrap().find(utterance).is_some()
    }

    #[test]
    fn all_words_must_be_there_and_the_last_is_a_prefix() {
        let utterance = "I lost my debit card at the Café Zürich, number 0-1-2.";
        for typed in ["card", "CARD lost", "debit car", "cafe zurich", "café", "0-1-2", "numb"] {
            assert!(finds(typed, utterance), "{typed}");
        }
        for typed in ["car lost", "cards", "my-card", "?!", "ost"] {
            assert!(!finds(typed, utterance), "{typed}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_read_character_by_character() {
        assert!(finds("信用卡", "我的信用卡丢了。"));
        assert!(!finds("卡信", "我的信用卡丢了。"));
        assert!(finds("कार्ड", "मेरा कार्ड खो गया"));
    }

    #[test]
    fn a_query_translates_to_the_syntax_of_the_index() {
        let fts = |typed| Query::parse(typed).unwrap().fts();
        assert_eq!(fts("Lost  my-card ca"), Some(r#""lost" "my card" "ca"*"#.into()));
        assert_eq!(fts("\"OR* NEAR(a"), Some(r#""or" "near a""#.into()));
        assert_eq!(fts("+?"), None);
        assert_eq!(Query::parse("  "), None);
        assert_eq!(fold("Ich hätte, Žižek—gern"), "ich hatte zizek gern");
    }

    #[test]
    fn an_excerpt_shows_the_text_around_a_match() {
        let text = format!("{} the debit card {}", "before ".repeat(30), "behind ".repeat(30));
        let shown = Query::parse("debit").unwrap().find(&text).unwrap();
        assert!(shown.starts_with("… before") && shown.ends_with("behind …"), "{shown}");
        assert!(shown.contains("the debit card") && shown.chars().count() < 150, "{shown}");
        assert_eq!(Query::parse("b").unwrap().find("a b").unwrap(), "a b");
    }
}
