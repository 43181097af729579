//! One phone call as a pure state machine.
