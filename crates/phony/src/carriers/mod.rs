//! Adapters to carriers, each a future behind a [`CarrierPort`].
//!
//! An adapter translates the messages of its network into [`FromCarrier`] and [`ToCarrier`] into
//! messages of its network. All decisions about the call are the call's.
//!
//! [`CarrierPort`]: crate::ports::CarrierPort
//! [`FromCarrier`]: phony_call::FromCarrier
//! [`ToCarrier`]: phony_call::ToCarrier

pub mod twilio;

/// The name of Twilio in a call's record.
pub const TWILIO: &str = "twilio";
/// The name of the softphone in a call's record. It is a carrier without a telephone network.
pub const SOFTPHONE: &str = "softphone";
