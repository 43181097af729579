//! What can go wrong between the client and Twilio.

use phony_wire::twilio::rest::RestError;

/// Why no client can be made of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoClient {
    /// The account is not configured.
    #[error("{0} is not set: Twilio's API needs TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN")]
    Missing(&'static str),
    /// The HTTP library cannot be set up.
    #[error("HTTPS cannot be set up: {0}")]
    Http(String),
}

/// Why a request was not carried out, or is not known to have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// Twilio refused it, or failed at a request that changes nothing.
    #[error(transparent)]
    Refused(RestError),
    /// Twilio could not be reached, so nothing was done.
    #[error("Twilio could not be reached: {0}")]
    Unreachable(String),
    /// It may have been carried out: look before sending it again.
    #[error("it is not known whether Twilio did it: {0}")]
    Unknown(String),
    /// It was not carried out at first, and was withdrawn before the next attempt.
    #[error("it was withdrawn before Twilio took it")]
    Withdrawn,
}

impl CarrierError {
    /// What a person can do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Refused(error) => error.advice(),
            Self::Unreachable(_) => {
                Some("Check the connection to the internet and TWILIO_API_BASE_URL.")
            }
            Self::Unknown(_) => {
                Some("Look in Twilio's console, or list the calls, before trying again.")
            }
            Self::Withdrawn => None,
        }
    }

    /// Twilio's own code, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Refused(error) => error.code,
            Self::Unreachable(_) | Self::Unknown(_) | Self::Withdrawn => None,
        }
    }
}
