//! The example cadences, compiled in: the demo needs no checkout.

use engine::Apply;
use manifest::Source;
use ports::content::Activation;
use store::Store;

use crate::exit::Failure;

/// Files of `examples/`, as they lie there.
const FILES: [(&str, &str); 5] = [
    ("calendars/company-days.yaml", include_str!("../../../../examples/calendars/company-days.yaml")),
    ("templates/inbound.yaml", include_str!("../../../../examples/templates/inbound.yaml")),
    ("cadences/inbound-demo.yaml", include_str!("../../../../examples/cadences/inbound-demo.yaml")),
    ("templates/webinar.yaml", include_str!("../../../../examples/templates/webinar.yaml")),
    ("cadences/webinar-follow-up.yaml", include_str!("../../../../examples/cadences/webinar-follow-up.yaml")),
];

/// The examples leave their tasks in the inbox, so that they apply anywhere; the demo has a CRM to send some to.
const INBOX: &str = "  # connector: crm ";
const CRM: &str = "  connector: crm #";

/// Makes the examples current, and gives their cadences' names.
pub(super) async fn apply(store: &Store, connectors: &[String]) -> Result<Vec<String>, Failure> {
    let sources: Vec<Source> =
        FILES.iter().map(|(name, text)| Source::new(*name, text.replace(INBOX, CRM))).collect();
    let how = Apply {
        workspace: &domain::id::Workspace::main(),
        connectors,
        activation: Activation::Activate,
        actor: "demo",
    };
    let report =
        engine::apply(store, &sources, how).await.map_err(|error| Failure::Refused(error.to_string()))?;
    Ok(report
        .documents
        .into_iter()
        .filter(|document| document.kind == "Cadence")
        .map(|document| document.name)
        .collect())
}
