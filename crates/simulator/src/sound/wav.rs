//! WAV files of µ-law sound.
//!
//! Source: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", "WAVE
//! form"; format 7 is `WAVE_FORMAT_MULAW` (RFC 2361).

use super::SILENCE;

const FORMAT: u16 = 7;
const SAMPLE_RATE: u32 = 8000;
/// The size of the `fmt ` chunk: a format other than PCM has a field for the size of an extension.
const FORMAT_SIZE: u32 = 18;
const FACT_SIZE: u32 = 4;
/// `WAVE`, the three chunks' headers, and the content of the first two.
const HEADER_SIZE: u32 = 4 + 3 * 8 + FORMAT_SIZE + FACT_SIZE;

/// Sound read from a WAV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// µ-law at 8 kHz, one vector for each channel.
    pub channels: Vec<Vec<u8>>,
}

/// Why a file is not a WAV file of telephone sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWav {
    /// It does not begin as a WAV file does, or ends too early.
    #[error("not a WAV file")]
    NotWav,
    /// Its sound is coded otherwise.
    #[error("format {format} at {sample_rate} Hz: only µ-law (7) at 8000 Hz is read")]
    Format {
        /// The number of the format.
        format: u16,
        /// Samples a second.
        sample_rate: u32,
    },
}

/// A WAV file with one sound on the left channel and another on the right. The shorter one is
/// followed by silence.
#[must_use]
pub fn stereo_wav(left: &[u8], right: &[u8]) -> Vec<u8> {
    let samples = left.len().max(right.len());
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(2 * samples + HEADER_SIZE as usize + 8);
    chunk(&mut out, *b"RIFF", HEADER_SIZE.saturating_add(size(2 * samples)));
    out.extend(*b"WAVE");
    chunk(&mut out, *b"fmt ", FORMAT_SIZE);
    out.extend(FORMAT.to_le_bytes());
    out.extend(2_u16.to_le_bytes());
    out.extend(SAMPLE_RATE.to_le_bytes());
    out.extend((2 * SAMPLE_RATE).to_le_bytes());
    // Bytes of a sample of both channels, bits of a sample of one, no extension.
    for field in [2_u16, 8, 0] {
        out.extend(field.to_le_bytes());
    }
    chunk(&mut out, *b"fact", FACT_SIZE);
    out.extend(size(samples).to_le_bytes());
    chunk(&mut out, *b"data", size(2 * samples));
    for at in 0..samples {
        out.push(left.get(at).copied().unwrap_or(SILENCE));
        out.push(right.get(at).copied().unwrap_or(SILENCE));
    }
    out
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], size: u32) {
    out.extend(name);
    out.extend(size.to_le_bytes());
}

impl Wav {
    /// Reads a file. Unknown chunks are skipped.
    pub fn parse(file: &[u8]) -> Result<Self, BadWav> {
        let [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', rest @ ..] = file else {
            return Err(BadWav::NotWav);
        };
        let mut rest = rest;
        let mut channels = None;
        loop {
            let (name, content, after) = next_chunk(rest).ok_or(BadWav::NotWav)?;
            match (name, channels) {
                (b"fmt ", _) => channels = Some(read_format(content)?),
                (b"data", Some(count)) => return Ok(Self::part(content, count)),
                _ => {}
            }
            rest = after;
        }
    }

    /// Parts interleaved samples into channels.
    fn part(samples: &[u8], count: usize) -> Self {
        let channel = |index| samples.iter().copied().skip(index).step_by(count).collect();
        Self { channels: (0..count).map(channel).collect() }
    }
}

/// The first chunk's name and content, and what follows it.
fn next_chunk(rest: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let (content, rest) = rest.split_at_checked(size)?;
    // Chunks begin at even offsets.
    Some((name, content, rest.get(size % 2..).unwrap_or_default()))
}

/// The number of channels of a format that can be read.
fn read_format(content: &[u8]) -> Result<usize, BadWav> {
    let Some((fields, _)) = content.split_first_chunk::<8>() else { return Err(BadWav::NotWav) };
    let [f0, f1, c0, c1, r0, r1, r2, r3] = *fields;
    let format = u16::from_le_bytes([f0, f1]);
    let channels = usize::from(u16::from_le_bytes([c0, c1]));
    let sample_rate = u32::from_le_bytes([r0, r1, r2, r3]);
    if format != FORMAT || sample_rate != SAMPLE_RATE {
        return Err(BadWav::Format { format, sample_rate });
    }
    if channels == 0 { Err(BadWav::NotWav) } else { Ok(channels) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_is_read_again_and_the_shorter_side_ends_in_silence() {
        let file = stereo_wav(&[1, 2, 3], &[4]);
        let channels = vec![vec![1, 2, 3], vec![4, SILENCE, SILENCE]];
        assert_eq!(Wav::parse(&file), Ok(Wav { channels }));
        let size = u32::from_le_bytes([file[4], file[5], file[6], file[7]]);
        assert_eq!(size as usize, file.len() - 8);
    }

    #[test]
    fn unknown_chunks_are_skipped() {
        let mut file = stereo_wav(&[7; 4], &[9; 4]);
        file.splice(12..12, *b"LIST\x03\x00\x00\x00abc\x00");
        assert_eq!(Wav::parse(&file).map(|wav| wav.channels[1].len()), Ok(4));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(Wav::parse(b"ID3"), Err(BadWav::NotWav));
        let whole = stereo_wav(&[1; 8], &[2; 8]);
        for end in 0..whole.len() {
            assert_eq!(Wav::parse(&whole[..end]), Err(BadWav::NotWav), "{end}");
        }
        let mut pcm = whole;
        pcm[20] = 1;
        assert_eq!(Wav::parse(&pcm), Err(BadWav::Format { format: 1, sample_rate: 8000 }));
    }
}
