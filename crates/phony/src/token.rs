//! Random tokens, and bytes in hexadecimal.

/// 256 random bits in hexadecimal, 64 characters.
///
/// # Panics
///
/// If the operating system returns no random bytes, without which nothing would be secure.
#[must_use]
pub fn random() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    hex(&bytes)
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}
