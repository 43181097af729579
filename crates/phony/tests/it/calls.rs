//! Whole calls, from the first ring to the last event.

mod duet;
mod endings;
mod faults;
mod log;
mod model_lost;
mod real_callers;
mod speech;
mod spoken;
mod supervisor;
mod whole;
