//! The REST API, version 2010-04-01: requests are forms, and responses are JSON.
//!
//! Source: Twilio's OpenAPI description of the API and "Twilio API: error responses". Requests are
//! views of forms and answers can be written, so that a stand-in speaks the same types.

mod answers;
mod error;
mod requests;

pub use answers::{
    Account, AvailablePhoneNumber, Balance, Call, IncomingPhoneNumber, Listed, Page,
};
pub use error::{RestError, advice};
pub use requests::{
    ConfigureNumber, CreateCall, ListCalls, ListNumbers, SearchNumbers, UpdateCall,
};
