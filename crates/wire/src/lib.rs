//! Foreign formats, both directions, no I/O.
