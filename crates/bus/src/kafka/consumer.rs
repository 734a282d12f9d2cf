//! Reading as a member of a group, from where the store says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use ports::bus::{
    BusError, Consumer, Delivery, PartitionState, Position, StartAt, Starts, StoredOffset, Topic, start_at,
};
use rdkafka::consumer::{Consumer as _, MessageStream, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::KafkaConfig;
use super::context::{Change, Place};
use super::errors::{error_of, made, on_a_thread};
use super::leaving::{Seat, say_goodbye};
use super::membership::{MemberContext, list_of};
use super::partitions::{Partitions, Reading};
use super::reader::{Reader, record_of};
use crate::JUDGE_EVERY;

/// How long leaving the group may take; beyond that it times out of it.
const LEAVE: Duration = Duration::from_secs(5);
/// Of which so much to be heard by the group.
const GOODBYE: Duration = Duration::from_secs(2);

/// How many bytes of payload are taken in at once.
const MOST_BYTES_AHEAD: usize = 16 * 1024 * 1024;

/// How long librdkafka may take to go to another offset.
const SEEK: Duration = Duration::from_secs(5);

type Member = StreamConsumer<MemberContext>;

pub(super) struct KafkaConsumer {
    config: KafkaConfig,
    cluster: String,
    seat: Seat,
    member: Option<Arc<Member>>,
    reader: Arc<Mutex<Reader>>,
    starts: Arc<dyn Starts>,
    /// Given to us, and not yet begun: their positions must be asked for.
    given: Vec<Place>,
    /// Whether librdkafka waits for an answer to what it gave, even if all of that was taken again.
    owes: bool,
    partitions: Partitions,
    /// Whether librdkafka has given up a position, and it is not yet known which.
    lost: bool,
    /// When the stopped partitions were last looked at.
    judged: Instant,
    deliveries: VecDeque<Delivery>,
}

impl KafkaConsumer {
    pub(super) fn join(
        config: &KafkaConfig,
        cluster: String,
        (seat, topics): (Seat, &[Topic]),
        (reader, starts): (Reader, Arc<dyn Starts>),
    ) -> Result<Self, BusError> {
        let member: Member = made(
            config.member(&seat.group, seat.name.as_deref()).create_with_context(MemberContext::default()),
        )?;
        let names: Vec<String> = topics.iter().map(|topic| config.topic(*topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        member.subscribe(&names).map_err(|problem| error_of("joining the group", &problem))?;
        Ok(Self {
            config: config.clone(),
            cluster,
            seat,
            member: Some(Arc::new(member)),
            reader: Arc::new(Mutex::new(reader)),
            starts,
            given: Vec::new(),
            owes: false,
            partitions: Partitions::default(),
            lost: false,
            judged: Instant::now(),
            deliveries: VecDeque::new(),
        })
    }

    fn member(&self) -> Result<&Arc<Member>, BusError> {
        self.member.as_ref().ok_or_else(|| BusError::Broken("the consumer is closed".to_owned()))
    }

    /// Asks the cluster, on a thread that may block.
    async fn ask<T, F>(&self, question: F) -> Result<T, BusError>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T, BusError> + Send + 'static,
    {
        let reader = Arc::clone(&self.reader);
        // A reader is reset after each question, so that a broken one leaves nothing behind.
        on_a_thread(move || question(&reader.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// Why librdkafka has given the member up for good; after that it does nothing any more. A named member is given up when a
    /// commit that was under way in an outage reaches the group after its own return: the group takes it for another's.
    fn given_up(&self) -> Option<String> {
        self.member.as_ref()?.client().fatal_error().map(|(_, why)| why)
    }

    /// Takes note of what was given and taken since the last time.
    fn hear(&mut self) -> Result<(), BusError> {
        if let Some(why) = self.given_up() {
            return Err(BusError::Unavailable(format!("the group has given this member up: {why}")));
        }
        for change in self.member()?.context().changes.news() {
            match change {
                Change::Given(places) => {
                    self.given.extend(places);
                    self.owes = true;
                }
                Change::Taken(places) => {
                    self.given.retain(|place| !places.contains(place));
                    // A revocation answers for the assignment before it, too.
                    self.owes &= !self.given.is_empty();
                    let mut revoked = Vec::new();
                    for (name, partition) in places {
                        let Some(topic) = self.config.topic_named(&name) else { continue };
                        if self.partitions.reading((topic, partition)).is_some() {
                            self.partitions.remove((topic, partition));
                            revoked.push((topic, partition));
                        }
                    }
                    if !revoked.is_empty() {
                        self.deliveries.push_back(Delivery::Revoked(revoked));
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds where to start in what was given, and only then lets librdkafka read it.
    async fn begin(&mut self) -> Result<(), BusError> {
        if !self.owes {
            return Ok(());
        }
        // Nothing changes before all positions are known: asked again, it starts afresh.
        let places = self.given.clone();
        let mut found = Vec::with_capacity(places.len());
        for (name, partition) in &places {
            let Some(topic) = self.config.topic_named(name) else { continue };
            let stored = self.starts.stored(&self.cluster, topic, *partition).await?;
            let partition = *partition;
            found.push(self.ask(move |reader| start_of(reader, topic, partition, stored.as_ref())).await?);
        }

        let mut list = TopicPartitionList::with_capacity(found.len());
        let mut stopped = Vec::new();
        for (state, start) in &found {
            let name = self.config.topic(state.topic);
            let offset = match start {
                StartAt::Offset(offset) => Offset::Offset(*offset),
                StartAt::Stopped(_) => {
                    stopped.push((name.clone(), state.partition));
                    Offset::End
                }
            };
            list.add_partition_offset(&name, state.partition, offset)
                .map_err(|problem| error_of("starting partitions", &problem))?;
        }
        let member = self.member()?;
        member.incremental_assign(&list).map_err(|problem| error_of("starting partitions", &problem))?;
        member.context().changes.assigned(places);
        if let Err(problem) = member.pause(&list_of(&stopped)) {
            // Then it fetches in vain: what comes of a stopped partition is not taken in.
            tracing::warn!(kafka.error = %problem, "stopped partitions are fetched nevertheless");
        }
        for (state, start) in &found {
            self.partitions.add((state.topic, state.partition), start);
        }
        self.given.clear();
        self.owes = false;
        if !found.is_empty() {
            self.deliveries.push_back(Delivery::Assigned(found));
        }
        Ok(())
    }

    /// Takes in what librdkafka has fetched, waiting for the first of it.
    async fn fetch(&mut self, max: usize, until: Instant) -> Result<(), BusError> {
        let member = Arc::clone(self.member()?);
        let mut stream = member.stream();
        let first = timeout_at(until, async {
            tokio::select! {
                biased;
                () = member.context().changed.notified() => None,
                message = stream.next() => message,
            }
        });
        let Ok(Some(first)) = first.await else { return Ok(()) };
        self.take_in(first)?;
        // What else is there costs no waiting; enough of it makes batches of the other partitions fuller, too.
        let before = self.partitions.waiting();
        loop {
            let now = self.partitions.waiting();
            if now.records >= before.records + 4 * max || now.bytes >= before.bytes + MOST_BYTES_AHEAD {
                break;
            }
            match next_now(&mut stream) {
                Some(message) => self.take_in(message)?,
                None => break,
            }
        }
        Ok(())
    }

    fn take_in(&mut self, message: Result<BorrowedMessage<'_>, KafkaError>) -> Result<(), BusError> {
        match message {
            Ok(message) => {
                if let Some(topic) = self.config.topic_named(message.topic()) {
                    self.partitions.take_in(record_of(topic, &message));
                }
                Ok(())
            }
            Err(problem) if problem.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                self.lost = true;
                Ok(())
            }
            // Not an answer to what we asked for: the topic may still be made, and is looked for again.
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
            )) => Err(BusError::Unavailable("a topic is missing: `drumbeat topics` makes it".to_owned())),
            Err(problem) => match error_of("reading", &problem) {
                BusError::Unavailable(trouble) => {
                    // librdkafka goes on by itself.
                    tracing::debug!(kafka.error = trouble, "trouble while reading");
                    Ok(())
                }
                failed => Err(failed),
            },
        }
    }

    /// A position is no longer in the log: expired under us, or truncated. Which one, librdkafka does not say; so each is
    /// judged as on assignment, and those that hold are fetched again.
    async fn find_the_lost(&mut self) -> Result<(), BusError> {
        if !self.lost {
            return Ok(());
        }
        let mut stopped = Vec::new();
        for ((topic, partition), at) in self.partitions.read() {
            let next = at.next;
            let (state, start) =
                self.ask(move |reader| start_of(reader, topic, partition, Some(&at))).await?;
            if start == StartAt::Offset(next) {
                self.go_to(topic, partition, next).await?;
                continue;
            }
            let place = (self.config.topic(topic), partition);
            self.member()?
                .pause(&list_of(&[place]))
                .map_err(|problem| error_of("stopping partitions", &problem))?;
            stopped.push((state, start));
        }
        self.lost = false;
        for (state, _) in &stopped {
            self.partitions.set((state.topic, state.partition), Reading::Stopped);
        }
        if !stopped.is_empty() {
            self.deliveries.push_back(Delivery::Assigned(stopped));
        }
        Ok(())
    }

    /// Looks now and then whether a person has decided on what is stopped.
    async fn look_for_decisions(&mut self) -> Result<(), BusError> {
        if self.judged.elapsed() < JUDGE_EVERY {
            return Ok(());
        }
        for (topic, partition) in self.partitions.stopped() {
            let stored = self.starts.stored(&self.cluster, topic, partition).await?;
            let (state, start) =
                self.ask(move |reader| start_of(reader, topic, partition, stored.as_ref())).await?;
            if let StartAt::Offset(offset) = start {
                self.go_to(topic, partition, offset).await?;
                let place = (self.config.topic(topic), partition);
                self.member()?
                    .resume(&list_of(&[place]))
                    .map_err(|problem| error_of("starting partitions", &problem))?;
                self.partitions.add((topic, partition), &start);
                self.deliveries.push_back(Delivery::Assigned(vec![(state, start)]));
            }
        }
        self.judged = Instant::now();
        Ok(())
    }

    /// Lets librdkafka fetch from an offset.
    async fn go_to(&self, topic: Topic, partition: i32, offset: i64) -> Result<(), BusError> {
        let (member, name) = (Arc::clone(self.member()?), self.config.topic(topic));
        on_a_thread(move || {
            member
                .seek(&name, partition, Offset::Offset(offset), SEEK)
                .map_err(|problem| error_of("going to an offset", &problem))
        })
        .await
    }

    fn ours(&self, topic: Topic, partition: i32) -> Result<Reading, BusError> {
        self.partitions
            .reading((topic, partition))
            .ok_or_else(|| BusError::Rejected(format!("{topic} partition {partition} is not assigned")))
    }

    /// Leaves the group on a thread of its own, since librdkafka was once seen never to return from it.
    fn leave(&mut self) -> oneshot::Receiver<()> {
        let (left, gone) = oneshot::channel();
        let Some(member) = self.member.take() else { return gone };
        let leaving = thread::Builder::new().name("kafka-leave".to_owned()).spawn(move || {
            drop(member);
            // Nobody may be waiting any more.
            let _ = left.send(());
        });
        if let Err(problem) = leaving {
            tracing::warn!(error = %problem, "no thread to leave the group on");
        }
        gone
    }
}

/// The next message, if one is there.
fn next_now<'s>(
    stream: &mut MessageStream<'s, MemberContext>,
) -> Option<Result<BorrowedMessage<'s>, KafkaError>> {
    stream.next().now_or_never().flatten()
}

fn start_of(
    reader: &Reader,
    topic: Topic,
    partition: i32,
    stored: Option<&StoredOffset>,
) -> Result<(PartitionState, StartAt), BusError> {
    let state = reader.state(topic, partition)?;
    let before = stored
        .map(|stored| stored.next - 1)
        .filter(|offset| (state.begins_at..state.ends_at).contains(offset));
    let found = match before {
        Some(offset) => reader.id_at(Position { topic, partition, offset })?,
        None => None,
    };
    let start = start_at(&state, stored, found.as_deref());
    Ok((state, start))
}

#[async_trait]
impl Consumer for KafkaConsumer {
    fn cluster(&self) -> &str {
        &self.cluster
    }

    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Delivery>, BusError> {
        let max = max.max(1);
        let until = Instant::now() + wait;
        loop {
            self.hear()?;
            self.begin().await?;
            self.find_the_lost().await?;
            self.look_for_decisions().await?;
            if let Some(delivery) = self.deliveries.pop_front() {
                return Ok(Some(delivery));
            }
            if let Some(records) = self.partitions.deliver(max) {
                return Ok(Some(Delivery::Records(records)));
            }
            let look = if self.partitions.stopped().is_empty() {
                until
            } else {
                until.min(self.judged + JUDGE_EVERY)
            };
            self.fetch(max, look).await?;
            if Instant::now() >= until {
                self.hear()?;
                let delivery = self.deliveries.pop_front();
                return Ok(delivery.or_else(|| self.partitions.deliver(max).map(Delivery::Records)));
            }
        }
    }

    async fn pause(&mut self, topic: Topic, partition: i32) -> Result<(), BusError> {
        if self.ours(topic, partition)? == Reading::Running {
            let place = (self.config.topic(topic), partition);
            self.member()?.pause(&list_of(&[place])).map_err(|problem| error_of("pausing", &problem))?;
            self.partitions.set((topic, partition), Reading::Paused);
        }
        Ok(())
    }

    async fn resume(&mut self, topic: Topic, partition: i32) -> Result<(), BusError> {
        if self.ours(topic, partition)? == Reading::Paused {
            let place = (self.config.topic(topic), partition);
            self.member()?.resume(&list_of(&[place])).map_err(|problem| error_of("resuming", &problem))?;
            self.partitions.set((topic, partition), Reading::Running);
        }
        Ok(())
    }

    async fn seek(&mut self, topic: Topic, partition: i32, offset: i64) -> Result<(), BusError> {
        self.ours(topic, partition)?;
        self.go_to(topic, partition, offset).await?;
        self.partitions.seek((topic, partition), offset);
        Ok(())
    }

    async fn note_progress(&mut self, topic: Topic, partition: i32, next: i64) -> Result<(), BusError> {
        if self.partitions.reading((topic, partition)).is_none() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(1);
        let member = self.member()?;
        list.add_partition_offset(&self.config.topic(topic), partition, Offset::Offset(next))
            .and_then(|()| member.store_offsets(&list))
            .map_err(|problem| error_of("noting progress", &problem))
    }

    async fn close(mut self: Box<Self>) {
        if self.given_up().is_some() {
            // The seat is for whoever comes next under the name, and need not be waited for.
            drop(self.leave());
            return;
        }
        if let Some(member) = self.member.clone() {
            say_goodbye(&member, &self.seat, &self.reader, GOODBYE).await;
        }
        let gone = self.leave();
        if timeout(LEAVE, gone).await.is_err() {
            tracing::warn!(
                "leaving the group takes longer than {LEAVE:?}; the session will time out instead"
            );
        }
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
