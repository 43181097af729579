//! Requests to the API: bodies and queries, all of them forms.

use crate::twilio::form::form_view;

form_view! {
    /// `POST /Calls.json`. `To`, `From` and one of `Url` and `Twiml` are needed. Must not be
    /// repeated after a timeout, as there is no idempotency key.
    pub struct CreateCall {
        /// E.164, `client:…` or `sip:…`.
        to: String = "To",
        /// A number of the account, or a verified one.
        from: String = "From",
        /// The webhook that answers with TwiML once the call is answered.
        url: Option<String> = "Url",
        /// `GET` or `POST`, the default.
        method: Option<String> = "Method",
        /// TwiML, at most 4,000 characters.
        twiml: Option<String> = "Twiml",
        /// Requested if `Url` fails.
        fallback_url: Option<String> = "FallbackUrl",
        /// Where status callbacks go.
        status_callback: Option<String> = "StatusCallback",
        /// `initiated`, `ringing`, `answered`, `completed`; the last alone by default.
        status_callback_event: Vec<String> = "StatusCallbackEvent",
        /// `GET` or `POST`, the default.
        status_callback_method: Option<String> = "StatusCallbackMethod",
        /// Keys pressed when the call is answered, before the TwiML; at most 32 characters.
        send_digits: Option<String> = "SendDigits",
        /// How long it rings, in seconds: 60 by default, at most 600.
        timeout_s: Option<u64> = "Timeout",
        /// The longest the call may last, in seconds.
        time_limit_s: Option<u64> = "TimeLimit",
        /// `Enable` or `DetectMessageEnd`.
        machine_detection: Option<String> = "MachineDetection",
        /// How long detection may take, in seconds.
        machine_detection_timeout_s: Option<u64> = "MachineDetectionTimeout",
        /// Whether detection runs while the call proceeds.
        async_amd: Option<bool> = "AsyncAmd",
        /// Where the result of asynchronous detection goes.
        async_amd_status_callback: Option<String> = "AsyncAmdStatusCallback",
        /// `GET` or `POST`, the default.
        async_amd_status_callback_method: Option<String> = "AsyncAmdStatusCallbackMethod",
        /// The reason for the call, shown to the called party where carriers support it.
        call_reason: Option<String> = "CallReason",
        /// The token of an inbound call, to show its caller's number.
        call_token: Option<String> = "CallToken",
    }
}

form_view! {
    /// `POST /Calls/{Sid}.json`. New TwiML replaces what the call is doing.
    pub struct UpdateCall {
        /// The webhook that answers with new TwiML.
        url: Option<String> = "Url",
        /// `GET` or `POST`, the default.
        method: Option<String> = "Method",
        /// New TwiML; excludes `Url`.
        twiml: Option<String> = "Twiml",
        /// `completed` hangs up, `canceled` ends a call that is not yet answered.
        status: Option<String> = "Status",
        /// Where status callbacks go.
        status_callback: Option<String> = "StatusCallback",
        /// `GET` or `POST`, the default.
        status_callback_method: Option<String> = "StatusCallbackMethod",
        /// The longest the call may last, in seconds.
        time_limit_s: Option<u64> = "TimeLimit",
    }
}

form_view! {
    /// Query of `GET /Calls.json`.
    pub struct ListCalls {
        /// Calls to this number.
        to: Option<String> = "To",
        /// Calls from this number.
        from: Option<String> = "From",
        /// Calls in this state.
        status: Option<String> = "Status",
        /// Calls that started at this time or later, as the API spells it.
        start_time_from: Option<String> = "StartTime>",
        /// Calls per page: 50 by default, at most 1,000.
        page_size: Option<u64> = "PageSize",
    }
}

form_view! {
    /// Query of `GET /IncomingPhoneNumbers.json`.
    pub struct ListNumbers {
        /// A number, or a part of it with `*`.
        phone_number: Option<String> = "PhoneNumber",
        /// The name it was given.
        friendly_name: Option<String> = "FriendlyName",
        /// Numbers per page: 50 by default, at most 1,000.
        page_size: Option<u64> = "PageSize",
    }
}

form_view! {
    /// `POST /IncomingPhoneNumbers.json` buys a number (by `PhoneNumber` or `AreaCode`), and `POST
    /// /IncomingPhoneNumbers/{Sid}.json` changes one. An empty text clears a setting; a number with
    /// an application or a trunk ignores its `VoiceUrl`, so clear both to take it over.
    pub struct ConfigureNumber {
        /// The number to buy, E.164.
        phone_number: Option<String> = "PhoneNumber",
        /// Any number of this area, US and Canada only.
        area_code: Option<String> = "AreaCode",
        /// A name for people.
        friendly_name: Option<String> = "FriendlyName",
        /// The webhook that answers inbound calls with TwiML.
        voice_url: Option<String> = "VoiceUrl",
        /// `GET` or `POST`, the default.
        voice_method: Option<String> = "VoiceMethod",
        /// Requested if `VoiceUrl` fails.
        voice_fallback_url: Option<String> = "VoiceFallbackUrl",
        /// `GET` or `POST`, the default.
        voice_fallback_method: Option<String> = "VoiceFallbackMethod",
        /// Receives a status callback when an inbound call ends.
        status_callback: Option<String> = "StatusCallback",
        /// `GET` or `POST`, the default.
        status_callback_method: Option<String> = "StatusCallbackMethod",
        /// An application whose URLs are used instead.
        voice_application_sid: Option<String> = "VoiceApplicationSid",
        /// A SIP trunk that takes the calls instead.
        trunk_sid: Option<String> = "TrunkSid",
    }
}

form_view! {
    /// Query of `GET /AvailablePhoneNumbers/{country}/{Local|TollFree|Mobile}.json`.
    pub struct SearchNumbers {
        /// Area code, US and Canada only.
        area_code: Option<String> = "AreaCode",
        /// A pattern of 2 to 16 characters with `*`.
        contains: Option<String> = "Contains",
        /// City.
        in_locality: Option<String> = "InLocality",
        /// State or province.
        in_region: Option<String> = "InRegion",
        /// Only numbers with voice.
        voice_enabled: Option<bool> = "VoiceEnabled",
        /// Only numbers that need no address.
        exclude_all_address_required: Option<bool> = "ExcludeAllAddressRequired",
        /// Numbers per page: 50 by default, at most 1,000.
        page_size: Option<u64> = "PageSize",
    }
}
