//! `/calls` and its sub-paths, except `POST /calls`.

mod delete;
mod export;
mod list;
mod show;
mod transcript;

pub(super) use delete::*;
pub(super) use export::*;
pub(super) use list::*;
pub(super) use show::*;
pub(super) use transcript::*;
