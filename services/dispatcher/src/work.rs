//! The loop of a connector: while requests are under way, what was looked for is marked, and the next touches are looked
//! for.
//!
//! Touches pass through three hands. They are *looked for*: picked, judged and rendered, by reading alone. They are
//! *marked*: from that commit on a stop comes after them. They *wait* for their place, in the order of their marks, and
//! start; or, when their time is over, the connection is told to wait, or the process ends, they are void and scheduled as
//! they were. Looking and marking run one beside the other and beside the requests; of each there is one at a time.

mod landing;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use domain::id::TouchId;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use ports::StoreResult;
use ports::dispatch::Place;

use crate::Connection;
use crate::commands::{Carried, Looks, carry_out};
use crate::gate::{Gate, MayStart, Room};
use crate::lanes::{Ask, Found, Looked, Marks, Ready, Rotation};
use crate::line::{Line, NAP, PATIENCE, POLL, Permits, Seen, TRUST, wanted};
use crate::outage::Outage;
use crate::pace::Pace;
use crate::send::{self, Marching, Sent};

/// The most touches looked for at once, and marked in one transaction.
const SLICE: usize = 256;
/// The most touches picked at once, where there is room for a whole slice.
const DEEP: usize = 4 * SLICE;
/// What was looked for longer ago is looked for anew.
const FRESH: Duration = Duration::from_millis(250);
/// The shortest wait for a moment.
const TICK: Duration = Duration::from_millis(1);
/// How long a connection waits whose mark came too late to be used: the store gets some air.
const AIR: Duration = Duration::from_millis(250);

/// Something in flight that ended.
enum Ended {
    Touch(Sent),
    Command(Carried),
}

/// What a look gave, and whose turn it is next.
type Look = (StoreResult<Looked>, Rotation);
/// What a mark gave, and how many places it had reserved.
type Mark = (StoreResult<Marks>, usize);

struct Work<'l> {
    line: &'l Line,
    gate: Gate,
    pace: Pace,
    outage: Outage,
    looks: Looks,
    permits: Permits,
    flying: FuturesUnordered<BoxFuture<'l, Ended>>,
    /// Marked, in the order of the marks.
    waiting: VecDeque<Marching>,
    /// Places kept for commands that are asked for.
    kept: usize,
    marking: Option<BoxFuture<'l, Mark>>,
    being_marked: HashSet<TouchId>,
    /// Looked for, to be marked.
    ready: Option<Ready>,
    /// What the last look found.
    found: Found,
    /// How many are looked for.
    wanted: usize,
    looking: Option<BoxFuture<'l, Look>>,
    /// Not while it is in use.
    rotation: Option<Rotation>,
    /// As long as there is nothing to look for.
    resting: Option<BoxFuture<'l, ()>>,
    /// What was signalled before the last look.
    seen: Seen,
}

/// Runs until the line's `stop`, then until what is in flight ended or the drain time is over.
pub(crate) async fn run(line: Line) {
    let mut work = Work::new(&line);
    let mut standing = line.standing.clone();
    while !line.stop.is_cancelled() {
        let place = standing.borrow_and_update().place;
        work.draw(place).await;
        let seen = Seen::now(&line);
        work.take_commands(place, seen).await;
        work.start_waiting().await;
        work.mark();
        work.look(seen);
        work.tell();
        let alarm = work.alarm(place);
        tokio::select! {
            () = line.stop.cancelled() => break,
            Some(ended) = work.flying.next(), if !work.flying.is_empty() => {
                work.land(ended).await;
                while let Some(Some(ended)) = work.flying.next().now_or_never() {
                    work.land(ended).await;
                }
            }
            mark = outcome(&mut work.marking) => work.marked(mark),
            looked = outcome(&mut work.looking) => work.looked(looked),
            () = outcome(&mut work.resting) => {}
            Ok(()) = standing.changed() => work.resting = None,
            () = tokio::time::sleep(alarm) => {}
        }
    }
    work.end().await;
}

/// Waits for a future that may be there, and takes it away when it is done.
async fn outcome<T>(slot: &mut Option<BoxFuture<'_, T>>) -> T {
    match slot {
        Some(future) => {
            let outcome = future.await;
            *slot = None;
            outcome
        }
        None => std::future::pending().await,
    }
}

impl<'l> Work<'l> {
    fn new(line: &'l Line) -> Self {
        let traits = line.connector.traits();
        Self {
            line,
            gate: Gate::new(traits.rate, traits.concurrency),
            pace: Pace::default(),
            outage: Outage::default(),
            looks: Looks::default(),
            permits: Permits::default(),
            flying: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            kept: 0,
            marking: None,
            being_marked: HashSet::new(),
            ready: None,
            found: Found::All,
            wanted: 0,
            looking: None,
            rotation: Some(Rotation::default()),
            resting: None,
            seen: Seen::now(line),
        }
    }

    fn now(&self) -> Duration {
        self.line.deps.clock.monotonic()
    }

    /// How many may be marked beside those that have a place. Where a rate is kept, it is the rate that is waited for.
    fn ahead(&self) -> usize {
        let traits = self.line.connector.traits();
        if traits.rate.is_some() { 0 } else { self.pace.ahead(traits.concurrency) }
    }

    /// Marking costs a transaction: under load wait for some room instead of marking one by one.
    fn enough(&self) -> usize {
        if self.outage.is_on() {
            return 1;
        }
        let places = self.line.connector.traits().concurrency;
        let share = match self.ahead() {
            0 => places / 8,
            ahead => (places + ahead) / 4,
        };
        share.clamp(1, SLICE)
    }

    /// Draws permits when it is time.
    async fn draw(&mut self, place: Option<Place>) {
        let now = self.now();
        if let Some(limit) = self.gate.limit(now)
            && self.permits.are_to_be_drawn(now, place)
        {
            let line = self.line;
            let granted = self.beside(line.draw(limit, place)).await;
            self.gate.permit(granted, now + TRUST);
            self.permits = Permits::drawn(now, place, granted >= wanted(limit, place));
        }
    }

    /// Commands take some of the places that are free. Nothing is begun before the heart beats.
    async fn take_commands(&mut self, place: Option<Place>, seen: Seen) {
        let now = self.now();
        let share = match (place, self.places(now)) {
            (None, _) | (_, 0) => return,
            (Some(_), places) => self.looks.share(places, now, seen.commands),
        };
        if share == 0 {
            return;
        }
        self.gate.reserve(share);
        let line = self.line;
        self.kept = share;
        let taken = self.beside(line.take(share)).await;
        self.kept = 0;
        self.looks.took((share, taken.len()), now, seen.commands);
        self.gate.release(share - taken.len());
        for command in taken {
            let starting = self.now();
            let may_start = self.gate.may_start(starting);
            self.start(starting);
            self.flying.push(carry_out(line, command, may_start).map(Ended::Command).boxed());
        }
    }

    /// The places that nobody is about to take.
    fn places(&mut self, now: Duration) -> usize {
        let ahead = self.ahead();
        let taken = if ahead == 0 { self.wanted + self.ready.as_ref().map_or(0, Ready::len) } else { 0 };
        let places = self.gate.places(now, ahead).saturating_sub(taken);
        if self.outage.is_on() { places.min(1) } else { places }
    }

    /// Starts what was marked and has its place now; what may not start any more is void.
    async fn start_waiting(&mut self) {
        while let Some(first) = self.waiting.front() {
            let now = self.now();
            let is_in_time = first.is_in_time(now, self.line.settings.start_within);
            let gate = self.gate.may_start(now);
            let may_start = if is_in_time { gate } else { MayStart::No };
            let is_kept = self.gate.in_flight() + self.kept >= self.line.connector.traits().concurrency;
            if may_start == MayStart::Later || (may_start == MayStart::Yes && is_kept) {
                return;
            }
            let Some(march) = self.waiting.pop_front() else { return };
            if may_start == MayStart::Yes {
                self.start(now);
                self.flying.push(send::send(self.line, march).map(Ended::Touch).boxed());
            } else {
                // More were marked ahead than could start; but not where the mark itself came late.
                if gate == MayStart::No {
                    self.pace.stumbled();
                } else {
                    self.pace.overrun();
                }
                self.void(&march).await;
            }
        }
    }

    /// One that has its place starts. While the CRM is away, everything else waits for what becomes of it.
    fn start(&mut self, now: Duration) {
        self.gate.start(now);
        if self.outage.is_on() {
            self.gate.try_at(now + send::time_limit(self.line.connector.traits()));
        }
    }

    /// How much may be marked now.
    fn room(&mut self) -> Room {
        let (now, ahead) = (self.now(), self.ahead());
        self.outage.narrow(self.gate.room(now, ahead))
    }

    /// Marks what is ready, as far as there is room for it.
    fn mark(&mut self) {
        let now = self.now();
        if self.ready.as_ref().is_some_and(|ready| now.saturating_sub(ready.at) > FRESH) {
            self.ready = None;
        }
        if self.marking.is_some() {
            return;
        }
        let Some(ready) = self.ready.take() else { return };
        let Room::For(room) = self.room() else {
            self.ready = Some(ready);
            return;
        };
        if room < ready.len().min(self.enough()) && !self.is_idle() {
            self.ready = Some(ready);
            return;
        }
        let (first, others) = ready.split(room);
        self.ready = others;
        let count = first.len();
        self.being_marked = first.touches().collect();
        self.gate.reserve(count);
        let line = self.line;
        self.marking = Some(async move { (line.mark(first).await, count) }.boxed());
    }

    /// Looks for as many touches as there is room for beside those that were found.
    fn look(&mut self, seen: Seen) {
        if self.looking.is_some() || self.ready.is_some() || self.resting.is_some() {
            return;
        }
        // What is about to be marked is due until it is: without more behind it there is nothing to look for.
        if self.marking.is_some() && self.found == Found::All {
            return;
        }
        let Room::For(room) = self.room() else { return };
        if room < self.enough() && !self.is_idle() {
            return;
        }
        let Some(mut rotation) = self.rotation.take() else { return };
        let deep = if room < SLICE { room } else { DEEP };
        let ask = Ask { room: room.min(SLICE), deep, except: self.being_marked.clone() };
        self.wanted = ask.room;
        self.seen = seen;
        let line = self.line;
        self.looking = Some(
            async move {
                let looked = line.look(&ask, &mut rotation).await;
                (looked, rotation)
            }
            .boxed(),
        );
    }

    /// Whether nothing is under way whose end there is to wait for.
    fn is_idle(&self) -> bool {
        self.flying.is_empty() && self.waiting.is_empty() && self.marking.is_none()
    }

    /// What the last look found.
    fn looked(&mut self, (looked, rotation): Look) {
        self.rotation = Some(rotation);
        self.wanted = 0;
        match looked {
            Ok(Looked { ready: None, acted: false, .. }) => self.rest_until_woken(),
            Ok(Looked { ready, found, .. }) => (self.ready, self.found) = (ready, found),
            Err(error) => {
                tracing::warn!(error = %error, connector = %self.line.connector.name(), "the store cannot be asked for due touches");
                self.rest(PATIENCE);
            }
        }
    }

    /// What the last mark came to.
    fn marked(&mut self, (marks, reserved): Mark) {
        self.being_marked.clear();
        match marks {
            Ok(Marks { marching, moved }) => {
                self.gate.release(reserved - marching.len());
                if marching.is_empty() && moved == 0 {
                    self.rest_until_woken();
                }
                let now = self.now();
                if marching.iter().any(|one| !one.is_in_time(now, self.line.settings.start_within)) {
                    self.pause(AIR);
                }
                self.waiting.extend(marching);
            }
            Err(error) => {
                self.gate.release(reserved);
                tracing::warn!(error = %error, connector = %self.line.connector.name(), "due touches cannot be marked");
                self.rest(PATIENCE);
            }
        }
    }

    fn rest_until_woken(&mut self) {
        self.resting = Some(self.line.until_woken(self.seen).boxed());
    }

    fn rest(&mut self, time: Duration) {
        self.resting = Some(tokio::time::sleep(time).boxed());
    }

    /// Does some work of the store while everything else goes on: a slow store must not keep results back, a mark that is
    /// begun holds a connection and locks, for which the work may have to wait, what was marked has no time to wait, and what
    /// is due is late already.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            self.start_waiting().await;
            if !self.line.stop.is_cancelled() {
                self.mark();
                self.look(Seen::now(self.line));
            }
            tokio::select! {
                biased;
                Some(ended) = self.flying.next(), if !self.flying.is_empty() => self.land(ended).await,
                mark = outcome(&mut self.marking) => self.marked(mark),
                looked = outcome(&mut self.looking) => self.looked(looked),
                () = outcome(&mut self.resting) => {}
                done = &mut work => return done,
            }
        }
    }

    fn tell(&mut self) {
        let now = self.now();
        let room = self.gate.room(now, self.ahead());
        let standing = if self.outage.is_on() { Connection::Away } else { self.gate.standing(now, room) };
        let name = self.line.connector.name().as_str();
        self.line.deps.observer.connection(name, standing, self.gate.in_flight());
    }

    /// How long nothing happens by itself.
    fn alarm(&mut self, place: Option<Place>) -> Duration {
        let now = self.now();
        if place.is_some() && self.looks.more() && self.places(now) > 0 {
            return Duration::ZERO;
        }
        let mut at = now + NAP;
        if let Some(first) = self.waiting.front() {
            at = at.min(first.committing_at + self.line.settings.start_within + TICK);
        }
        at = match self.gate.room(now, self.ahead()) {
            Room::At(when) => at.min(when),
            Room::WhenPermitted => at.min(self.permits.next.max(now + POLL)),
            Room::For(_) | Room::WhenOneEnds => at,
        };
        at.saturating_sub(now).max(TICK)
    }

    /// Nothing new is marked, and what was marked and did not start is void. What is under way may end.
    async fn end(mut self) {
        (self.looking, self.resting) = (None, None);
        let line = self.line;
        let drained = tokio::time::timeout(line.settings.drain, async {
            self.void_waiting().await;
            if let Some(marking) = self.marking.take() {
                let mark = self.beside(marking).await;
                self.marked(mark);
                self.void_waiting().await;
            }
            while let Some(ended) = self.flying.next().await {
                self.land(ended).await;
            }
        });
        if drained.await.is_err() {
            tracing::warn!(connector = %line.connector.name(), "requests in flight are left behind; another worker takes them over");
        }
        if let Some(limit) = self.gate.limit(self.now()) {
            // What was started counts until it has aged; the rest is the others' at once.
            line.draw(limit, None).await;
        }
    }

    async fn void_waiting(&mut self) {
        while let Some(march) = self.waiting.pop_front() {
            self.void(&march).await;
        }
    }
}
