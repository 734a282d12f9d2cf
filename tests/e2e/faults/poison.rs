//! Events that cannot be processed: bytes that are no event, and one that the database refuses. Each becomes a dead letter,
//! and what comes behind it in its partition goes on. (That an outage makes no dead letter is part of every other account.)

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use super::accounts::{self, Expected};
use super::load::Load;
use super::trial;
use crate::deployment::run_name;
use crate::webhook::event_with;

/// Of the topics of a deployment of tests.
const PARTITIONS: i32 = 4;

/// What is no event: nothing, a text, bytes that protobuf reads half of, and many of them.
const GARBAGE: [&[u8]; 4] = [b"", b"{\"kind\":\"form_submitted\"}", b"\x0a\xff\xff\xff\x7f", &[0x08; 70_000]];

/// A database that cannot take one contact, as with a value that it refuses.
const REFUSE: &str = "
    create function refuse() returns trigger language plpgsql as $$
    begin
        if new.email like 'poison%' then raise exception 'refused' using errcode = '22023'; end if;
        return new;
    end $$;
    create trigger refuse before insert on contacts for each row execute function refuse()";

#[test]
fn a_poison_message_becomes_a_dead_letter_and_its_partition_goes_on() {
    trial("poison", async |trial| {
        let Some(servers) = trial.servers() else { return };
        let it = trial.pairs(&servers);
        servers.ask_in(&run_name(trial.name), REFUSE).unwrap();
        let load = Load::start(it.senders(), trial.seed, 30);
        let topic = format!("{}.events.v1", run_name(trial.name));
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", servers.broker()).create().unwrap();
        let rounds = trial.scale.of(1, 30);
        let mut dead = 0;
        for round in 0..rounds {
            for partition in 0..PARTITIONS {
                let payload = GARBAGE[(round + usize::try_from(partition).unwrap()) % GARBAGE.len()];
                let record: BaseRecord<'_, str, [u8]> =
                    BaseRecord::to(&topic).partition(partition).key("poison").payload(payload);
                producer.send(record).map_err(|(problem, _)| problem).unwrap();
                dead += 1;
            }
            let id = format!("poison-{round}");
            let email = format!("poison{round}@example.com");
            it.sender().post(&event_with(&id, "form_submitted", &email, json!({ "form": "demo" }))).await;
            dead += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        producer.flush(Duration::from_secs(10)).unwrap();

        let began = std::time::Instant::now();
        it.eventually("the dead letters", || {
            (it.rows("select count(*) as n from asides where list = 'deadletter'")[0]["n"] == dead)
                .then_some(())
        })
        .await;
        eprintln!("  {dead} dead letters, the last after {:?}", began.elapsed());
        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected { dead_letters: dead, ..Expected::default() }).await;
        it.finish();
    });
}
