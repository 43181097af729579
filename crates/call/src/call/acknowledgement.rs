//! Recognises words by which a caller accepts an announced transfer or goodbye.

/// Thanks, understanding and parting in several languages.
const PARTING: &[&str] = &[
    "ok|okay|alright|all right|fine|good|great|perfect|lovely|cool|that's all|that is all|that's fine",
    "that is fine|that's great|that's good|thanks|thank you|so much|very much|a lot|mm|mhm|mm-hmm",
    "mm-hm|hmm|hm|uh-huh|aha|oh|ah|bye|bye-bye|goodbye|good bye|you too|have a nice day",
    "have a good day|gut|alles klar|klar|danke|danke schön|dankeschön|vielen dank|prima|super|genau",
    "tschüss|auf wiederhören|vale|bueno|muy bien|bien|claro|gracias|muchas gracias|adiós|hasta luego",
    "d'accord|très bien|merci|merci beaucoup|au revoir|va bene|bene|certo|grazie|arrivederci",
    "tá bem|tá bom|obrigado|obrigada|tchau",
];

/// Assent, which accepts a transfer, but not a goodbye.
const ASSENT: &[&str] = &[
    "yes|yeah|yep|yup|sure|please|please do|do that|right|go ahead|ja|gern|gerne|bitte|sí|si",
    "por favor|oui|s'il vous plaît|sim|per favore",
];

/// The longest phrase, in words.
const LONGEST: usize = 4;

/// Whether the words do nothing but accept what was announced: a transfer, or the end of the call.
pub(super) fn is_acknowledgement(text: &str, transfer: bool) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || ",.!;:…".contains(c));
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(|word| word.replace('’', "'").to_lowercase()).collect();
    let known = |phrase: &str| {
        let has = |list: &[&str]| list.iter().any(|line| line.split('|').any(|one| one == phrase));
        has(PARTING) || (transfer && has(ASSENT))
    };
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let longest = rest.len().min(LONGEST);
        let Some(taken) = (1..=longest).rev().find(|count| known(&rest[..*count].join(" "))) else {
            return false;
        };
        rest = &rest[taken..];
    }
    !words.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assent_is_no_objection_and_everything_else_may_be_one() {
        for assent in
            ["okay", "Okay, thank you very much.", "Mm-hmm.", "That’s fine", "Bye!", "oh good"]
        {
            assert!(is_acknowledgement(assent, true), "{assent}");
            assert!(is_acknowledgement(assent, false), "{assent}");
        }
        for assent in ["Yes.", "Ja, bitte!", "sure, thanks"] {
            assert!(is_acknowledgement(assent, true), "{assent}");
            assert!(!is_acknowledgement(assent, false), "{assent}");
        }
        for other in
            ["no", "No, thank you.", "okay wait", "please don't", "okay?", "...", "is that all"]
        {
            assert!(!is_acknowledgement(other, true), "{other}");
        }
    }
}
