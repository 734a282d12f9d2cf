//! A store that has forgotten: nothing may be sent again before a person has looked.

use crate::on_each_shape;
use crate::webhook::event;

const TWO_TASKS: &str = r"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: later }
spec:
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted } ] }
  steps:
    - { id: first, channel: task, completion: automatic }
    - { id: second, channel: task, after: 2s }
";

#[test]
fn a_dispatcher_over_a_restored_store_sends_nothing_until_it_is_released() {
    on_each_shape("restored", async |mut it| {
        it.apply(TWO_TASKS);
        it.start();
        it.sender().post(&event("f-1", "form_submitted", "ada@example.com")).await;
        it.task("first", "ada@example.com").await;
        // Who sends ends first, or the second touch may come due while the others take their leave.
        for role in it.shape.roles().iter().rev() {
            it.stop(role);
        }
        // As a backup would have it: the store is behind what the group was told.
        let partitions = it.cli(&["offsets", "list"]);
        for one in partitions.as_array().unwrap() {
            if one["topic"] == "events" && one["stored"].as_i64().is_some_and(|next| next > 0) {
                it.cli(&["offsets", "set", "events", &one["partition"].to_string(), "0"]);
            }
        }

        // Where roles are processes of their own: before enrollment is there to notice.
        let sending = it.shape.roles().last().unwrap();
        it.spawn(sending);
        it.eventually("the held touch", || {
            let tasks = it.cli(&["tasks", "list", "--state", "held"]);
            tasks.as_array().filter(|tasks| tasks.len() == 1).map(|_| ())
        })
        .await;
        assert_eq!(it.crm.records().len(), 1, "{:?}", it.crm.records());
        assert_eq!(it.cli(&["dispatch", "status"])["held"], true);

        it.cli(&["dispatch", "release"]);
        it.task("second", "ada@example.com").await;
        assert_eq!(it.crm.records().len(), 2);
        it
    });
}
