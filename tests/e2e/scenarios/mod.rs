//! What must hold, one function a scenario.

mod bad_input;
mod connectors;
mod crashes;
mod crm_faults;
mod demo;
mod exits;
mod main_path;
mod people;
mod restored;
mod telemetry;

use serde_json::Value;

use crate::deployment::Deployment;

/// A cadence of tasks that go out at once, whatever the hour.
pub(crate) const CALL_THEN_MAIL: &str = r#"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: inbound }
spec:
  reason: Asked for a demo
  connector: crm
  window: any
  exclusive: none
  entry:
    triggers: [ { on: form_submitted, when: event.form == "demo" } ]
    reentry: always
  steps:
    - { id: call, channel: call, purpose: Respond while intent is fresh }
    - { id: mail, channel: email, template: hello }
---
apiVersion: drumbeat/v1
kind: Template
metadata: { name: hello }
spec:
  channel: email
  subject: "Hello {{ contact.first_name | default('there') }}"
  text: "You asked for a demo."
"#;

/// One automatic touch, at once.
pub(crate) const ONE_TOUCH: &str = r#"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: single }
spec:
  connector: crm
  window: any
  entry:
    triggers: [ { on: form_submitted, when: event.form == "demo" } ]
    reentry: always
  steps:
    - { id: touch, channel: task, completion: automatic }
"#;

/// The enrollments of a contact, as `explain` tells them.
pub(crate) fn enrollments(deployment: &Deployment, email: &str) -> Vec<Value> {
    let (code, out, _) = deployment.try_cli(&["explain", email]);
    if code != Some(0) {
        return Vec::new();
    }
    let explained: Value = serde_json::from_str(&out).unwrap();
    explained["enrollments"].as_array().cloned().unwrap_or_default()
}

/// Waits until the newest enrollment of a contact is in a state, and gives it.
pub(crate) async fn until_state(deployment: &Deployment, email: &str, state: &str) -> Value {
    deployment
        .eventually(&format!("an enrollment of {email} that is {state}"), || {
            enrollments(deployment, email)
                .into_iter()
                .next()
                .filter(|enrollment| enrollment["state"] == state)
        })
        .await
}
