//! What an agent says and can do in outbound calls, whatever its file says.

use phony_call::CommandName;

/// The words with which an outbound call says that it is a machine, unless its scenario has others.
pub const DISCLOSURE: &str = "this is an automated assistant";

/// Prepares an agent for outbound calls: it says that it is a machine, and can put the callee's
/// number on the do-not-call list.
pub(super) fn disclose(agent: &mut phony_call::Agent, disclosure: Option<&str>) {
    agent.commands.insert(CommandName::DoNotCall);
    let words = disclosure.unwrap_or(DISCLOSURE).trim();
    if words.is_empty() {
        agent.disclosure = None;
        return;
    }
    let said_in = |text: &str| text.to_lowercase().contains(&words.to_lowercase());
    for text in [&mut agent.greeting, &mut agent.voicemail].into_iter().flatten() {
        if !said_in(text) {
            *text = format!("Hello, {words}. {text}");
        }
    }
    if agent.greeting.is_none() {
        agent.greeting = Some(format!("Hello, {words}."));
    }
    agent.disclosure = Some(words.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_always_says_that_it_is_a_machine() {
        let mut agent = phony_call::Agent::new("x");
        agent.greeting = Some("Do you have a minute?".into());
        disclose(&mut agent, None);
        let opening = "Hello, this is an automated assistant. Do you have a minute?";
        assert_eq!(agent.greeting.as_deref(), Some(opening));
        let mut own = phony_call::Agent::new("x");
        own.greeting = Some("I am the robot of the bakery.".into());
        disclose(&mut own, Some("I am the robot"));
        assert_eq!(own.greeting.as_deref(), Some("I am the robot of the bakery."));
        disclose(&mut own, Some(""));
        assert_eq!(own.disclosure, None, "unless the scenario says otherwise");
    }
}
