//! Requests that Twilio posts to an application, which a stand-in can also write.
//!
//! Absent values are empty strings or `None`. New parameters appear without notice: keep the
//! [`Form`] for the signature, and read these views out of it. Sources: Twilio, "TwiML Voice:
//! request parameters"; "Call resource: status callbacks"; "Answering machine detection"; "TwiML
//! Voice: `<ConversationRelay>`", action callback; "TwiML Voice: `<Dial>`", action callback.

pub use super::form::Form;
use super::form::{form_view, word_fields};
use crate::words::words;

form_view! {
    /// A request for TwiML: the call's `Url`, a number's `VoiceUrl`, or an `action`.
    pub struct VoiceRequest {
        /// The call.
        call_sid: String = "CallSid",
        /// The account.
        account_sid: String = "AccountSid",
        /// E.164, `client:…`, `sip:…`, or a word such as `anonymous`.
        from: String = "From",
        /// E.164, `client:…` or `sip:…`.
        to: String = "To",
        /// The same as `From`.
        caller: String = "Caller",
        /// The same as `To`.
        called: String = "Called",
        /// State of the call.
        call_status: CallStatus = "CallStatus",
        /// `inbound`, `outbound-api` or `outbound-dial`.
        direction: String = "Direction",
        /// `2010-04-01`.
        api_version: String = "ApiVersion",
        /// Name from a caller-name lookup, where the number has it.
        caller_name: String = "CallerName",
        /// The number that forwarded the call here, where the carrier says so.
        forwarded_from: String = "ForwardedFrom",
        /// The call whose `<Dial>` made this one.
        parent_call_sid: String = "ParentCallSid",
        /// Whether the caller's number is attested. See [`VoiceRequest::attestation`].
        stir_verstat: String = "StirVerstat",
        /// Passed on when forwarding a caller's number.
        call_token: String = "CallToken",
        /// Who answered, after synchronous detection.
        answered_by: AnsweredBy = "AnsweredBy",
        /// Duration of the detection, in milliseconds.
        machine_detection_ms: Option<u64> = "MachineDetectionDuration",
        /// Keys pressed in `<Gather>` or `<Record>`.
        digits: String = "Digits",
        /// Country of the caller by its number, two letters.
        from_country: String = "FromCountry",
        /// Country of the called number, two letters.
        to_country: String = "ToCountry",
        /// Why the request goes to a fallback URL.
        error_code: String = "ErrorCode",
        /// The URL that failed before.
        error_url: String = "ErrorUrl",
    }
}

form_view! {
    /// The `action` of `<Connect>`: a relay session or stream has ended. The fields of
    /// [`VoiceRequest`] come with it.
    pub struct SessionEnd {
        /// The call.
        call_sid: String = "CallSid",
        /// `in-progress` if the caller is still there, `completed` if the call is over.
        call_status: CallStatus = "CallStatus",
        /// `VX…`, as in `setup`.
        session_id: String = "SessionId",
        /// How it ended.
        session_status: SessionStatus = "SessionStatus",
        /// Its length, in seconds.
        session_duration_s: Option<u64> = "SessionDuration",
        /// The `handoffData` of the application's `end` frame.
        handoff_data: String = "HandoffData",
        /// Such as `64105`, if it failed.
        error_code: String = "ErrorCode",
        /// Such as `Websocket ended`, if it failed.
        error_message: String = "ErrorMessage",
    }
}

form_view! {
    /// A status callback: the call rings, is answered or is over. Deliveries are unordered and may
    /// repeat.
    pub struct CallStatusUpdate {
        /// The call.
        call_sid: String = "CallSid",
        /// The account.
        account_sid: String = "AccountSid",
        /// E.164, `client:…` or `sip:…`.
        from: String = "From",
        /// E.164, `client:…` or `sip:…`.
        to: String = "To",
        /// `outbound-api` and others.
        direction: String = "Direction",
        /// The new state.
        call_status: CallStatus = "CallStatus",
        /// Order of the events, from 0.
        sequence_number: Option<u64> = "SequenceNumber",
        /// Length of the call in seconds, with the last event.
        call_duration_s: Option<u64> = "CallDuration",
        /// RFC 2822, UTC.
        timestamp: String = "Timestamp",
        /// SIP response code of the far end: 486 busy, 404 no such number, and so on.
        sip_response_code: Option<u64> = "SipResponseCode",
        /// `call-progress-events`.
        callback_source: String = "CallbackSource",
        /// Who answered, if detection was requested.
        answered_by: AnsweredBy = "AnsweredBy",
    }
}

form_view! {
    /// The result of asynchronous answering-machine detection; at most once a call.
    pub struct AmdResult {
        /// The call.
        call_sid: String = "CallSid",
        /// The account.
        account_sid: String = "AccountSid",
        /// Who answered.
        answered_by: AnsweredBy = "AnsweredBy",
        /// Duration of the detection, in milliseconds.
        machine_detection_ms: Option<u64> = "MachineDetectionDuration",
    }
}

form_view! {
    /// The `action` of `<Dial>`: the dialled leg is over. The fields of [`VoiceRequest`] come with
    /// it.
    pub struct DialResult {
        /// The call that dialled.
        call_sid: String = "CallSid",
        /// How the dialled leg ended.
        dial_call_status: DialStatus = "DialCallStatus",
        /// The dialled leg.
        dial_call_sid: String = "DialCallSid",
        /// Its length, in seconds.
        dial_call_duration_s: Option<u64> = "DialCallDuration",
        /// Whether the two were connected.
        dial_bridged: Option<bool> = "DialBridged",
    }
}

words! {
    /// State of a call.
    pub enum CallStatus {
        Queued = "queued",
        Initiated = "initiated",
        Ringing = "ringing",
        InProgress = "in-progress",
        Completed = "completed",
        Busy = "busy",
        NoAnswer = "no-answer",
        Failed = "failed",
        Canceled = "canceled",
    }
}

words! {
    /// How a relay session ended.
    pub enum SessionStatus {
        /// The call ended, because the caller hung up or otherwise.
        Completed = "completed",
        /// The application's `end` frame ended it.
        Ended = "ended",
        /// An error ended it.
        Failed = "failed",
    }
}

words! {
    /// How a dialled leg ended.
    pub enum DialStatus {
        Completed = "completed",
        Answered = "answered",
        Busy = "busy",
        NoAnswer = "no-answer",
        Failed = "failed",
        Canceled = "canceled",
    }
}

words! {
    /// Who or what answered a call.
    pub enum AnsweredBy {
        Human = "human",
        MachineStart = "machine_start",
        MachineEndBeep = "machine_end_beep",
        MachineEndSilence = "machine_end_silence",
        MachineEndOther = "machine_end_other",
        Fax = "fax",
        /// Undecided; should be treated as a person.
        Unknown = "unknown",
    }
}

word_fields!(CallStatus, SessionStatus, DialStatus, AnsweredBy);

impl CallStatus {
    /// Whether the call is over, in whatever way.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled
        )
    }
}

impl AnsweredBy {
    /// Whether a machine answered, of a kind known or not.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.as_str().starts_with("machine")
    }
}

impl VoiceRequest {
    /// The level, `A`, `B` or `C`, at which the caller's carrier vouches for its number, if the
    /// signature was valid.
    #[must_use]
    pub fn attestation(&self) -> Option<char> {
        let level = self.stir_verstat.strip_prefix("TN-Validation-Passed-")?.chars().next()?;
        matches!(level, 'A'..='C').then_some(level)
    }
}
