//! Errors of the configuration.

/// Settings that are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:\n{}", .problems.join("\n"))]
pub struct ConfigError {
    /// One line a problem: the setting's name, the reason, an example.
    pub problems: Vec<String>,
}
