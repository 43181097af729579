//! x
mod line;
mod record;
mod speech;
