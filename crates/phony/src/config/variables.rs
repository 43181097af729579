//! The environment variables: names, keys, examples and meanings.

/// An environment variable and the setting that it sets.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The variable.
    pub name: &'static str,
    /// The key in `phony.toml`.
    pub key: &'static str,
    /// A valid value, or a description in angle brackets for a secret.
    pub example: &'static str,
    /// What it sets, in a line.
    pub meaning: &'static str,
}

/// Every variable that is read, except `PHONY_CONFIG`, which names the configuration file.
pub const VARIABLES: &[Variable] = &[
    variable(
        "TWILIO_ACCOUNT_SID",
        "twilio.account_sid",
        "AC0123456789abcdef0123456789abcdef",
        "the account that carries the calls",
    ),
    variable(
        "TWILIO_AUTH_TOKEN",
        "twilio.auth_token",
        "<the token from Twilio's console>",
        "verifies Twilio's requests; without it all of them are refused",
    ),
    variable(
        "TWILIO_PHONE_NUMBER",
        "twilio.phone_number",
        "+15005550006",
        "the number to call from; by default only its country may be called",
    ),
    variable(
        "TWILIO_API_BASE_URL",
        "twilio.api_base_url",
        "https://api.twilio.com",
        "base URL of Twilio's REST API",
    ),
    variable(
        "PHONY_INSECURE_NO_SIGNATURES",
        "insecure_no_signatures",
        "0",
        "1: accept unsigned requests as Twilio's; refused if HOST is set",
    ),
    variable(
        "OPENAI_API_KEY",
        "openai.api_key",
        "<the key from OpenAI's console>",
        "the key for the model",
    ),
    variable(
        "OPENAI_MODEL",
        "openai.model",
        "gpt-realtime-2.1",
        "the model, one whose name begins with gpt-realtime; retired names are replaced, with a warning",
    ),
    variable(
        "OPENAI_VOICE",
        "openai.voice",
        "marin",
        "the model's voice, used where the model itself speaks; marin and cedar are the best",
    ),
    variable(
        "OPENAI_BASE_URL",
        "openai.base_url",
        "https://api.openai.com/v1",
        "base URL of the model; its socket is at the same URL with ws(s) and /realtime",
    ),
    variable(
        "HOST",
        "host",
        "phony.example.com",
        "public host name, without scheme and path, in every URL given to Twilio",
    ),
    variable("PORT", "port", "24187", "port to listen on"),
    variable(
        "PHONY_BIND",
        "bind",
        "127.0.0.1",
        "address to listen on; by default 127.0.0.1, or 0.0.0.0 if HOST is set",
    ),
    variable(
        "SYSTEM_PROMPT",
        "system_prompt",
        "You answer the phone of a bakery.",
        "replaces the instructions of the default agent",
    ),
    variable(
        "REQUIRE_SUPERVISOR_FEEDBACK",
        "require_supervisor_feedback",
        "false",
        "true: no reply is spoken before a supervisor approves it",
    ),
    variable(
        "TRANSFER_NUMBER",
        "transfer_number",
        "+15005550006",
        "target of transfers without a number, and of calls whose model has failed",
    ),
    variable(
        "PHONY_AGENT",
        "agent",
        "assistant",
        "agent that answers: assistant, support, scheduler, hotline, surveyor, or one of your own",
    ),
    variable(
        "PHONY_TRANSPORT",
        "transport",
        "relay",
        "relay: Twilio recognises and synthesises speech; media: the model hears and speaks",
    ),
    variable("PHONY_DIAL_RATE", "dial_rate", "60", "outbound calls a minute; 0 for no limit"),
    variable(
        "PHONY_CALLING_HOURS",
        "calling_hours",
        "08:00-21:00",
        "callee's local time in which outbound calls may start; off for any",
    ),
    variable(
        "PHONY_API_RATE",
        "api_rate",
        "600",
        "supervisors' requests a minute, by token and by address; 0 for no limit",
    ),
    variable(
        "PHONY_TRUSTED_PROXIES",
        "trusted_proxies",
        "127.0.0.1, 10.0.0.0/8",
        "addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are trusted",
    ),
    variable("REDIS_URL", "redis_url", "redis://127.0.0.1:6379", "store and bus of several nodes"),
    variable(
        "PHONY_DATA_DIR",
        "data_dir",
        "/var/lib/phony",
        "folder of the calls, the log and the supervisors' token; by default the platform's data folder",
    ),
    variable(
        "PHONY_ADMIN_TOKEN",
        "admin_token",
        "<at least 8 characters>",
        "the supervisors' secret; generated at the first start if it is not set",
    ),
    variable("PHONY_DEBUG", "debug", "0", "1: log every decision"),
    variable("PHONY_LOG", "log", "json", "json for machines, pretty for people"),
    variable("PHONY_LOG_NUMBERS", "log_numbers", "0", "1: whole telephone numbers in the log"),
];

const fn variable(
    name: &'static str,
    key: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, key, example, meaning }
}
