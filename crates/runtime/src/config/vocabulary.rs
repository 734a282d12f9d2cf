//! Words that other crates give meaning to, and that a configuration may use.

/// The providers, connector kinds and channels that this build knows.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// Values of `sources[].provider`.
    pub providers: Vec<String>,
    /// Values of `connectors[].kind`.
    pub connectors: Vec<String>,
    /// Names of channels.
    pub channels: Vec<String>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            providers: owned(&["generic", "standard-webhooks", "cloudevents", "typeform", "sendgrid"]),
            connectors: owned(&["rest", "inbox"]),
            channels: owned(&[
                "email",
                "call",
                "voicemail",
                "linkedin_view",
                "linkedin_connect",
                "linkedin_message",
                "social",
                "sms",
                "video",
                "direct_mail",
                "task",
            ]),
        }
    }
}

/// The word of `known` that `word` was probably meant to be.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}
