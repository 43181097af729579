//! What is wrong with the agents.

/// An agent or a scenario that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A file, or a folder of files, cannot be read.
    #[error("the {what} cannot be read")]
    Read {
        /// What cannot be read, such as `agent's file`.
        what: &'static str,
        /// The path, the reason and the remedy.
        source: std::io::Error,
    },
    /// A file has the wrong content.
    #[error("the agent's file {file} is wrong: {problem}")]
    Wrong {
        /// The file's path.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The configuration names an agent that does not exist.
    #[error("there is no agent `{id}`; there are: {known}")]
    Unknown {
        /// The id that was asked for.
        id: String,
        /// The ids of all agents, separated by commas.
        known: String,
    },
}
