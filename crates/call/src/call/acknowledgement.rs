//! Words by which a caller lets what was announced happen.

/// Words of thanks, understanding and parting in the languages of most calls.
const PARTING: &[&str] = &[
    // English
    "ok",
    "okay",
    "right",
    "alright",
    "all",
    "fine",
    "good",
    "great",
    "perfect",
    "lovely",
    "cool",
    "thanks",
    "thank",
    "you",
    "very",
    "much",
    "so",
    "that's",
    "thats",
    "is",
    "that",
    "mm",
    "mhm",
    "mm-hmm",
    "hmm",
    "hm",
    "uh-huh",
    "aha",
    "ah",
    "oh",
    "bye",
    "goodbye",
    "too",
    "nice",
    "day",
    // German
    "gut",
    "klar",
    "danke",
    "dankeschön",
    "schön",
    "prima",
    "super",
    "genau",
    "tschüss",
    // Spanish
    "vale",
    "bueno",
    "bien",
    "claro",
    "gracias",
    "muchas",
    "adiós",
    // French
    "d'accord",
    "daccord",
    "bon",
    "très",
    "merci",
    "beaucoup",
    // Italian and Portuguese
    "bene",
    "certo",
    "grazie",
    "tá",
    "obrigado",
    "obrigada",
];

/// Words of assent: to be hung up on is nothing to say yes to.
const ASSENT: &[&str] = &[
    "yes", "yeah", "yep", "yup", "sure", "please", "do", // English
    "ja", "gern", "gerne", "bitte", // German
    "sí", "si", "por", "favor", "oui", "va", "sim", // Spanish, French, Italian, Portuguese
];

/// More words than this say something of their own.
const LONGEST: usize = 6;

/// Whether the caller only lets happen what was announced: that they are put through, or, if not
/// `transfer`, that the call ends.
pub(super) fn is_acknowledgement(text: &str, transfer: bool) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || ",.!;:…".contains(c));
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(|word| word.replace('’', "'").to_lowercase()).collect();
    let known = |word: &String| {
        PARTING.contains(&word.as_str()) || (transfer && ASSENT.contains(&word.as_str()))
    };
    !words.is_empty() && words.len() <= LONGEST && words.iter().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assent_is_no_objection_and_everything_else_may_be_one() {
        for assent in ["okay", "Okay, thank you very much.", "Mm-hmm.", "That’s fine", "Bye!"] {
            assert!(is_acknowledgement(assent, true), "{assent}");
            assert!(is_acknowledgement(assent, false), "{assent}");
        }
        for assent in ["Yes.", "Ja, bitte!", "sure, thanks"] {
            assert!(is_acknowledgement(assent, true), "{assent}");
            assert!(!is_acknowledgement(assent, false), "{assent}");
        }
        for other in ["no", "No, thank you.", "okay wait", "please don't", "okay?", "..."] {
            assert!(!is_acknowledgement(other, true), "{other}");
        }
    }
}
