//! Media Streams, both ways: the frames of `<Connect><Stream>`.
//!
//! Twilio sends the caller's audio and plays what it is sent. Every frame is one JSON object in a
//! text frame, told apart by `event`. Audio is base64 of G.711 µ-law, 8 kHz, one channel: 8 bytes a
//! millisecond, 160 bytes a frame from Twilio. Source: Twilio, "Media Streams: WebSocket messages".

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::json::{self, Fields};
use crate::{BadFrame, Problem};

/// Bytes of µ-law audio in a millisecond.
pub const BYTES_PER_MS: usize = 8;

/// At least the length of a `media` frame to Twilio without the stream's id and the audio.
const FRAME_AROUND_AUDIO: usize = 64;

/// A frame from Twilio to the application; audio is borrowed from the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromTwilio<'a> {
    /// The socket is open. Comes before `Start` and says nothing about the call.
    Connected {
        /// `Call`.
        protocol: Cow<'a, str>,
        /// `1.0.0`.
        version: Cow<'a, str>,
    },
    /// The stream begins: whose audio it is.
    Start(Box<Start>),
    /// Audio of the caller.
    Media {
        /// `inbound`.
        track: Cow<'a, str>,
        /// Number of this chunk of the track, from 1.
        chunk: Option<u64>,
        /// Milliseconds since the stream's start.
        timestamp_ms: Option<u64>,
        /// Base64 of µ-law audio; see [`decode_audio`].
        payload: Cow<'a, str>,
    },
    /// One key press of the caller.
    Dtmf {
        /// `0`–`9`, `*` or `#`.
        digit: Cow<'a, str>,
    },
    /// What was queued before the mark of this name has been played, or was dropped by `Clear`.
    Mark {
        /// The mark's name.
        name: Cow<'a, str>,
    },
    /// The stream is over.
    Stop,
    /// An unknown kind, to be counted and ignored.
    Other {
        /// The value of `event`.
        kind: String,
    },
}

/// Whose audio a stream carries. Absent values are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The stream: `MZ…`. Every frame back must carry it.
    pub stream_sid: String,
    /// The account: `AC…`.
    pub account_sid: String,
    /// The call: `CA…`.
    pub call_sid: String,
    /// The tracks sent; `inbound` alone on a stream of both ways.
    pub tracks: Vec<String>,
    /// `audio/x-mulaw`.
    pub encoding: String,
    /// Samples a second, 8000.
    pub sample_rate: Option<u32>,
    /// Channels, 1.
    pub channels: Option<u32>,
    /// The `<Parameter>` elements of the TwiML. Values that are not strings keep their JSON text.
    pub custom_parameters: BTreeMap<String, String>,
}

impl<'a> FromTwilio<'a> {
    /// Reads a frame. Only `event` is required; see the crate's rules.
    pub fn parse(text: &'a str) -> Result<Self, BadFrame> {
        let fields = Fields::parse(text)?;
        let kind = fields.kind("event")?;
        Ok(match kind.as_ref() {
            "connected" => Self::Connected {
                protocol: fields.text_or_empty("protocol"),
                version: fields.text_or_empty("version"),
            },
            "start" => Self::Start(Box::new(Start::read(&fields))),
            "media" => {
                let media = fields.object("media");
                Self::Media {
                    track: media.text_or_empty("track"),
                    chunk: media.whole("chunk"),
                    timestamp_ms: media.whole("timestamp"),
                    payload: media.text_or_empty("payload"),
                }
            }
            "dtmf" => Self::Dtmf { digit: fields.object("dtmf").text_or_empty("digit") },
            "mark" => Self::Mark { name: fields.object("mark").text_or_empty("name") },
            "stop" => Self::Stop,
            _ => Self::Other { kind: kind.into_owned() },
        })
    }

    /// Appends the frame as Twilio writes it, with counters as strings.
    ///
    /// `start` names the stream, `sequence` is the frame's number in it; `connected` has neither.
    pub fn write(&self, start: &Start, sequence: u64, out: &mut String) {
        let says = match self {
            Self::Connected { protocol, version } => Says::Connected { protocol, version },
            Self::Start(start) => Says::Start { start: StartBody::of(start) },
            Self::Media { track, chunk, timestamp_ms, payload } => Says::Media {
                media: MediaBody {
                    track,
                    chunk: chunk.unwrap_or(0).to_string(),
                    timestamp: timestamp_ms.unwrap_or(0).to_string(),
                    payload,
                },
            },
            Self::Dtmf { digit } => Says::Dtmf { dtmf: DtmfBody { track: "inbound_track", digit } },
            Self::Mark { name } => Says::Mark { mark: MarkBody { name: name.clone() } },
            Self::Stop => Says::Stop {
                stop: StopBody { account_sid: &start.account_sid, call_sid: &start.call_sid },
            },
            Self::Other { kind } => {
                json::append(out, &BTreeMap::from([("event", kind)]));
                return;
            }
        };
        let framed = !matches!(self, Self::Connected { .. });
        let stream_sid = framed.then_some(start.stream_sid.as_str());
        let sequence_number = framed.then(|| sequence.to_string());
        json::append(out, &Framed { says, sequence_number, stream_sid });
    }
}

impl Start {
    fn read(fields: &Fields<'_>) -> Self {
        let start = fields.object("start");
        let format = start.object("mediaFormat");
        let outer = || fields.string_or_empty("streamSid");
        Self {
            stream_sid: start.string("streamSid").unwrap_or_else(outer),
            account_sid: start.string_or_empty("accountSid"),
            call_sid: start.string_or_empty("callSid"),
            tracks: start
                .array("tracks")
                .into_iter()
                .filter_map(json::scalar)
                .map(Cow::into_owned)
                .collect(),
            encoding: format.string_or_empty("encoding"),
            sample_rate: format.whole32("sampleRate"),
            channels: format.whole32("channels"),
            custom_parameters: start.object("customParameters").to_strings(),
        }
    }
}

/// A frame from the application to Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToTwilio<'a> {
    /// Audio to play after what is queued; any length.
    Media {
        /// Base64 of µ-law audio without a header; see [`encode_audio`].
        payload: Cow<'a, str>,
    },
    /// A mark, returned once everything queued before it has been played or dropped.
    Mark {
        /// The mark's name.
        name: Cow<'a, str>,
    },
    /// Drops everything queued.
    Clear,
}

impl ToTwilio<'_> {
    /// Appends the frame for the stream of this id.
    pub fn write(&self, stream_sid: &str, out: &mut String) {
        let frame = match self {
            Self::Media { payload } => Frame {
                event: "media",
                stream_sid,
                media: Some(PayloadBody { payload }),
                mark: None,
            },
            Self::Mark { name } => Frame {
                event: "mark",
                stream_sid,
                media: None,
                mark: Some(MarkBody { name: name.clone() }),
            },
            Self::Clear => Frame { event: "clear", stream_sid, media: None, mark: None },
        };
        json::append(out, &frame);
    }
}

impl<'a> ToTwilio<'a> {
    /// Reads a frame as strictly as Twilio: an unknown kind, a payload or name that is missing or
    /// not a string, and audio that is not base64 are errors (Twilio, "Error 31950" and "31951").
    /// Returns the stream's id too.
    pub fn parse(text: &'a str) -> Result<(Cow<'a, str>, Self), BadFrame> {
        let fields = Fields::parse(text)?;
        let event = fields.kind("event")?;
        let (kind, body, field) = match event.as_ref() {
            "media" => ("media", fields.object("media"), "payload"),
            "mark" => ("mark", fields.object("mark"), "name"),
            "clear" => ("clear", Fields::default(), "streamSid"),
            unknown => return Err(BadFrame::unknown_kind(unknown)),
        };
        let stream_sid = required(&fields, kind, "streamSid")?;
        let frame = match kind {
            "media" => {
                let payload = required(&body, kind, field)?;
                decode_audio(&payload)?;
                Self::Media { payload }
            }
            "mark" => Self::Mark { name: required(&body, kind, field)? },
            _ => Self::Clear,
        };
        Ok((stream_sid, frame))
    }
}

/// Decodes an audio payload.
pub fn decode_audio(payload: &str) -> Result<Vec<u8>, BadFrame> {
    STANDARD.decode(payload).map_err(|_| BadFrame::NotBase64)
}

/// Encodes audio as a payload.
#[must_use]
pub fn encode_audio(audio: &[u8]) -> String {
    STANDARD.encode(audio)
}

/// Appends the `media` frame that plays this audio in the stream of this id. Encodes it in place.
pub fn write_audio(stream_sid: &str, audio: &[u8], out: &mut String) {
    out.reserve(FRAME_AROUND_AUDIO + stream_sid.len() + audio.len().div_ceil(3) * 4);
    out.push_str(r#"{"event":"media","streamSid":"#);
    json::append(out, &stream_sid);
    out.push_str(r#","media":{"payload":""#);
    STANDARD.encode_string(audio, out);
    out.push_str(r#""}}"#);
}

fn required<'a>(
    fields: &Fields<'a>,
    kind: &'static str,
    field: &'static str,
) -> Result<Cow<'a, str>, BadFrame> {
    let bad = |problem| BadFrame::Field { kind, field, problem };
    let raw = fields.raw(field).ok_or_else(|| bad(Problem::Missing))?;
    if raw.starts_with('"') {
        Ok(fields.text_or_empty(field))
    } else {
        Err(bad(Problem::WrongType))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    event: &'static str,
    stream_sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<PayloadBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<MarkBody<'a>>,
}

#[derive(Serialize)]
struct PayloadBody<'a> {
    payload: &'a str,
}

#[derive(Serialize)]
struct MarkBody<'a> {
    name: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Framed<'a> {
    #[serde(flatten)]
    says: Says<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_sid: Option<&'a str>,
}

/// Twilio's own frames.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Says<'a> {
    Connected { protocol: &'a str, version: &'a str },
    Start { start: StartBody<'a> },
    Media { media: MediaBody<'a> },
    Dtmf { dtmf: DtmfBody<'a> },
    Mark { mark: MarkBody<'a> },
    Stop { stop: StopBody<'a> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartBody<'a> {
    account_sid: &'a str,
    stream_sid: &'a str,
    call_sid: &'a str,
    tracks: &'a [String],
    media_format: FormatBody<'a>,
    custom_parameters: &'a BTreeMap<String, String>,
}

impl<'a> StartBody<'a> {
    fn of(start: &'a Start) -> Self {
        Self {
            account_sid: &start.account_sid,
            stream_sid: &start.stream_sid,
            call_sid: &start.call_sid,
            tracks: &start.tracks,
            media_format: FormatBody {
                encoding: &start.encoding,
                sample_rate: start.sample_rate,
                channels: start.channels,
            },
            custom_parameters: &start.custom_parameters,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FormatBody<'a> {
    encoding: &'a str,
    sample_rate: Option<u32>,
    channels: Option<u32>,
}

#[derive(Serialize)]
struct MediaBody<'a> {
    track: &'a str,
    chunk: String,
    timestamp: String,
    payload: &'a str,
}

#[derive(Serialize)]
struct DtmfBody<'a> {
    track: &'a str,
    digit: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StopBody<'a> {
    account_sid: &'a str,
    call_sid: &'a str,
}
