//! The sentences that were rendered beforehand: `assets/voice.bin`, which
//! `scripts/render-voice.sh` writes and describes.

use std::{collections::HashMap, sync::LazyLock};

static CONTAINER: &[u8] = include_bytes!("../../assets/voice.bin");

static LINES: LazyLock<HashMap<&'static str, &'static [u8]>> = LazyLock::new(|| all().collect());

/// The sound of a sentence, if it was rendered.
pub(super) fn rendered(sentence: &str) -> Option<&'static [u8]> {
    LINES.get(sentence).copied()
}

/// All rendered sentences with their sounds.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let mut rest = CONTAINER.strip_prefix(b"PHV1").unwrap_or_default();
    std::iter::from_fn(move || {
        let (text, sound, after) = first_line(rest)?;
        rest = after;
        Some((text, sound))
    })
}

/// The first line of `rest`, and what follows it.
fn first_line(rest: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (text_length, rest) = rest.split_first_chunk()?;
    let (sound_length, rest) = rest.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*text_length).into())?;
    let sound_length = usize::try_from(u32::from_le_bytes(*sound_length)).ok()?;
    let (sound, rest) = rest.split_at_checked(sound_length)?;
    Some((std::str::from_utf8(text).ok()?, sound, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_was_rendered() {
        let list = include_str!("../../assets/lines.txt");
        let listed: Vec<&str> = list.lines().collect();
        let rendered: Vec<&str> = all().map(|(text, _)| text).collect();
        assert_eq!(rendered, listed);
        let bytes: usize = all().map(|(text, sound)| 6 + text.len() + sound.len()).sum();
        assert_eq!(bytes + 4, CONTAINER.len());
        assert!(CONTAINER.len() < 1_000_000);
    }
}
