//! A CRM that does what it is told, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{ConnectorName, TouchKey};
use domain::touch::Delivery;
use ports::clock::Clock as _;
use ports::connector::{CanonicalTask, Connector, ConnectorError, Created, Idempotency, Task, Traits};

use crate::stage::StageClock;

/// What it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Create { attempt: i32, body: String },
    Withdraw { remote_id: Option<String> },
}

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Fine,
    Fails(ConnectorError),
    After(Duration, Box<Reply>),
    Never,
}

impl Reply {
    pub(crate) fn after(wait: Duration, then: Self) -> Self {
        Self::After(wait, Box::new(then))
    }
}

/// One more than the requests that are under way, for as long as it lives.
struct Under<'a>(&'a Crm);

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) struct Crm {
    name: ConnectorName,
    pub(crate) traits: Traits,
    clock: Arc<StageClock>,
    replies: Mutex<VecDeque<Reply>>,
    always: Mutex<Reply>,
    log: Mutex<Vec<(Duration, Asked)>>,
    renderings: AtomicUsize,
    /// Renders so often, and never again.
    renders: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Crm {
    pub(crate) fn new(name: &str, clock: &Arc<StageClock>) -> Self {
        Self {
            name: ConnectorName::new(name).unwrap(),
            traits: Traits {
                idempotency: Idempotency::Key,
                delivers: Vec::new(),
                rate: None,
                concurrency: 8,
                timeout: Duration::from_secs(5),
            },
            clock: Arc::clone(clock),
            replies: Mutex::default(),
            always: Mutex::new(Reply::Fine),
            log: Mutex::default(),
            renderings: AtomicUsize::new(0),
            renders: AtomicUsize::new(usize::MAX),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// The next answers; after them it answers as always.
    pub(crate) fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    pub(crate) fn always(&self, reply: Reply) {
        *self.always.lock().unwrap() = reply;
    }

    /// Renders no more than so often.
    pub(crate) fn renders(&self, times: usize) {
        self.renders.store(times, Ordering::Relaxed);
    }

    /// Renders so often from now on, and never again.
    pub(crate) fn renders_more(&self, times: usize) {
        self.renders(self.renderings.load(Ordering::Relaxed) + times);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().iter().map(|(_, asked)| asked.clone()).collect()
    }

    pub(crate) fn times(&self) -> Vec<Duration> {
        self.log.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    pub(crate) fn withdrawals(&self) -> usize {
        self.asked().iter().filter(|one| matches!(one, Asked::Withdraw { .. })).count()
    }

    pub(crate) fn creations(&self) -> usize {
        self.asked().iter().filter(|one| matches!(one, Asked::Create { .. })).count()
    }

    /// The most requests that were under way at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    async fn answer(&self, asked: Asked) -> Result<(), ConnectorError> {
        self.log.lock().unwrap().push((self.clock.monotonic(), asked));
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        let _under = Under(self);
        self.most.fetch_max(now, Ordering::Relaxed);
        let next = self.replies.lock().unwrap().pop_front();
        let mut reply = next.unwrap_or_else(|| self.always.lock().unwrap().clone());
        loop {
            match reply {
                Reply::Fine => return Ok(()),
                Reply::Fails(error) => return Err(error),
                Reply::After(wait, then) => {
                    tokio::time::sleep(wait).await;
                    reply = *then;
                }
                Reply::Never => std::future::pending().await,
            }
        }
    }
}

#[async_trait]
impl Connector for Crm {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Another text each time: what is sent says which rendering it is.
    fn render(&self, _: &CanonicalTask) -> Result<Bytes, ConnectorError> {
        let number = self.renderings.fetch_add(1, Ordering::Relaxed) + 1;
        if number > self.renders.load(Ordering::Relaxed) {
            return Err(ConnectorError::Rejected("its template does not fit any more".to_owned()));
        }
        Ok(format!("rendering {number}").into())
    }

    async fn create(&self, task: &Task) -> Result<Created, ConnectorError> {
        let body = String::from_utf8(task.body.to_vec()).unwrap();
        self.answer(Asked::Create { attempt: task.attempt, body }).await?;
        Ok(Created { remote_id: Some(format!("R-{}", task.key)), delivery: Delivery::Task })
    }

    async fn look_up(&self, _: TouchKey) -> Result<Option<Created>, ConnectorError> {
        Ok(None)
    }

    async fn withdraw(&self, _: TouchKey, remote_id: Option<&str>, _: &str) -> Result<(), ConnectorError> {
        self.answer(Asked::Withdraw { remote_id: remote_id.map(str::to_owned) }).await
    }

    async fn probe(&self) -> Result<(), ConnectorError> {
        Ok(())
    }
}
