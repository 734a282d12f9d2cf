//! Refusals that name what was probably meant.

/// `unknown scheme "hmac": did you mean "hmac-sha256"? …`
#[expect(single_use_lifetimes, reason = "an anonymous one is not stable here")]
pub(crate) fn unknown<'n>(what: &str, given: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&given.to_lowercase(), name), *name))
        .filter(|(likeness, _)| *likeness > 0.78)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, name)) => format!("unknown {what} {given:?}: did you mean {name:?}?"),
        None => format!("unknown {what} {given:?}: there are {}", known.join(", ")),
    }
}
