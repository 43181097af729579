//! What is wrong with the configuration.

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:\n{}", .problems.join("\n"))]
pub struct ConfigError {
    /// One line for each: the name, what is wrong, an example.
    pub problems: Vec<String>,
}
