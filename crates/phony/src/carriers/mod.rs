//! Adapters to what carries a call, each a future behind a [`CarrierPort`].
//!
//! An adapter translates the messages of its network into [`FromCarrier`] and [`ToCarrier`] into
//! messages of its network. It decides nothing about the call.
//!
//! [`CarrierPort`]: crate::ports::CarrierPort
//! [`FromCarrier`]: phony_call::FromCarrier
//! [`ToCarrier`]: phony_call::ToCarrier

pub mod twilio;

/// The name of the softphone in a call's record: the carrier that has no network behind it.
pub const SOFTPHONE: &str = "softphone";
