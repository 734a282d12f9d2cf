//! What the store keeps in the row of an enrollment beside its columns.

use bytes::Bytes;
use domain::enrollment::{
    EntryEvent, Frozen, Hold, HoldReason, Place, Progress, Seen, StepRecord, StepResult,
};
use domain::id::{Digest, SourceName, StepId, TouchId, TouchKey, VariantName};
use domain::time::Taken;
use jiff::SignedDuration;
use jiff::civil::Date;
use uuid::Uuid;

use crate::error::{DecodeError, read, read_16, read_enum, read_word, require};
use crate::message::{Wire, decode, encode};
use crate::wire::{self, place::At};
use crate::{enums, timestamp, value};

/// Day 0 of dates.
const EPOCH: Date = Date::constant(1970, 1, 1);

impl Wire for EntryEvent {
    fn to_bytes(&self) -> Bytes {
        encode(&wire::EntryEvent {
            digest: self.digest.0.to_vec(),
            kind: enums::kind_to_wire(self.kind).into(),
            source: self.source.as_str().to_owned(),
            occurred_at: Some(timestamp::to_wire(self.occurred_at)),
            channel: self.channel.map(enums::channel_to_wire).unwrap_or_default().into(),
            classification: self.classification.map(enums::classification_to_wire).unwrap_or_default().into(),
            data: value::map_to_wire(&self.data),
            actor: self.actor.clone(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let entry: wire::EntryEvent = decode(bytes)?;
        Ok(Self {
            digest: Digest(read_16("digest", &entry.digest)?),
            kind: require("kind", read_enum("kind", entry.kind, enums::kind_from_wire)?)?,
            source: read("source", SourceName::try_from(entry.source))?,
            occurred_at: timestamp::from_wire("occurred_at", entry.occurred_at)?,
            channel: read_enum("channel", entry.channel, enums::channel_from_wire)?,
            classification: read_enum(
                "classification",
                entry.classification,
                enums::classification_from_wire,
            )?,
            data: value::map_from_wire("data", entry.data)?,
            actor: entry.actor,
        })
    }
}

impl Wire for Progress {
    fn to_bytes(&self) -> Bytes {
        let visits = self.visits.iter().map(|(step, visits)| (step.as_str().to_owned(), *visits));
        let variants =
            self.variants.iter().map(|(step, arm)| (step.as_str().to_owned(), arm.as_str().to_owned()));
        encode(&wire::Progress {
            day_one: date_to_wire(self.day_one),
            place: Some(place_to_wire(&self.place)),
            previous_completed: Some(timestamp::to_wire(self.previous_completed)),
            visits: visits.collect(),
            history: self.history.iter().map(record_to_wire).collect(),
            variants: variants.collect(),
            holds: self.holds.iter().map(hold_to_wire).collect(),
            frozen: self.frozen.as_ref().map(|frozen| wire::Frozen {
                since: Some(timestamp::to_wire(frozen.since)),
                remaining: frozen.remaining,
                came: frozen.came,
            }),
            seen: self.seen.iter().map(seen_to_wire).collect(),
            opened: self.opened,
            clicked: self.clicked,
            replied: self.replied,
            connected: self.connected,
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let progress: wire::Progress = decode(bytes)?;
        let visits = progress.visits.into_iter().map(|(step, visits)| Ok((step_id("visits", step)?, visits)));
        let variants = progress.variants.into_iter().map(|(step, arm)| {
            Ok((step_id("variants", step)?, read("variants", VariantName::try_from(arm))?))
        });
        let history = progress.history.into_iter().map(record_from_wire);
        Ok(Self {
            day_one: date_from_wire("day_one", progress.day_one)?,
            place: place_from_wire(require("place", progress.place)?)
                .map_err(|problem| problem.within("place"))?,
            previous_completed: timestamp::from_wire("previous_completed", progress.previous_completed)?,
            visits: visits.collect::<Result<_, DecodeError>>()?,
            history: history
                .collect::<Result<_, _>>()
                .map_err(|problem: DecodeError| problem.within("history"))?,
            variants: variants.collect::<Result<_, DecodeError>>()?,
            holds: progress.holds.into_iter().map(hold_from_wire).collect::<Result<_, _>>()?,
            frozen: progress.frozen.map(frozen_from_wire).transpose()?,
            seen: progress.seen.into_iter().map(seen_from_wire).collect::<Result<_, _>>()?,
            opened: progress.opened,
            clicked: progress.clicked,
            replied: progress.replied,
            connected: progress.connected,
        })
    }
}

fn date_to_wire(date: Date) -> i32 {
    let days = date.duration_since(EPOCH).as_hours() / 24;
    i32::try_from(days).expect("the calendar ends in the year 9999")
}

fn date_from_wire(field: &'static str, days: i32) -> Result<Date, DecodeError> {
    read(field, EPOCH.checked_add(SignedDuration::from_hours(i64::from(days) * 24)))
}

fn step_id(field: &'static str, step: String) -> Result<StepId, DecodeError> {
    read(field, StepId::try_from(step))
}

fn place_to_wire(place: &Place) -> wire::Place {
    let at = match place {
        Place::Touch { step, touch, day } => Some(At::Touch(wire::place::AtTouch {
            step: step.as_str().to_owned(),
            touch: touch.0,
            day: *day,
        })),
        Place::Wait { step, since, until } => Some(At::Wait(wire::place::AtWait {
            step: step.as_str().to_owned(),
            since: Some(timestamp::to_wire(*since)),
            until: Some(timestamp::to_wire(*until)),
        })),
        Place::Ending { until } => {
            Some(At::Ending(wire::place::Ending { until: Some(timestamp::to_wire(*until)) }))
        }
        Place::Over => None,
    };
    wire::Place { at }
}

fn place_from_wire(place: wire::Place) -> Result<Place, DecodeError> {
    Ok(match place.at {
        Some(At::Touch(at)) => {
            Place::Touch { step: step_id("step", at.step)?, touch: TouchId(at.touch), day: at.day }
        }
        Some(At::Wait(at)) => Place::Wait {
            step: step_id("step", at.step)?,
            since: timestamp::from_wire("since", at.since)?,
            until: timestamp::from_wire("until", at.until)?,
        },
        Some(At::Ending(at)) => Place::Ending { until: timestamp::from_wire("until", at.until)? },
        None => Place::Over,
    })
}

fn record_to_wire(record: &StepRecord) -> wire::StepRecord {
    let took =
        record.took.iter().map(|taken| wire::TakenDate { date: date_to_wire(taken.date), day: taken.day });
    wire::StepRecord {
        step: record.step.as_str().to_owned(),
        visit: record.visit,
        result: record.result.as_str().to_owned(),
        at: Some(timestamp::to_wire(record.at)),
        key: record.key.map(|key| key.0.into_bytes().to_vec()).unwrap_or_default(),
        touch: record.touch.map(|touch| touch.0),
        channel: record.channel.map(enums::channel_to_wire).unwrap_or_default().into(),
        sent_at: record.sent_at.map(timestamp::to_wire),
        outcome: record.outcome.clone(),
        message_id: record.message_id.clone(),
        took: took.collect(),
        opened: record.opened,
        clicked: record.clicked,
        replied: record.replied,
    }
}

fn record_from_wire(record: wire::StepRecord) -> Result<StepRecord, DecodeError> {
    let key = (!record.key.is_empty()).then(|| read_16("key", &record.key)).transpose()?;
    let took = record
        .took
        .into_iter()
        .map(|taken| Ok(Taken { date: date_from_wire("took", taken.date)?, day: taken.day }));
    Ok(StepRecord {
        step: step_id("step", record.step)?,
        visit: record.visit,
        result: read_word("result", StepResult::parse(&record.result))?,
        at: timestamp::from_wire("at", record.at)?,
        key: key.map(|key| TouchKey(Uuid::from_bytes(key))),
        touch: record.touch.map(TouchId),
        channel: read_enum("channel", record.channel, enums::channel_from_wire)?,
        sent_at: timestamp::from_wire_optional("sent_at", record.sent_at)?,
        outcome: record.outcome,
        message_id: record.message_id,
        took: took.collect::<Result<_, DecodeError>>()?,
        opened: record.opened,
        clicked: record.clicked,
        replied: record.replied,
    })
}

fn hold_to_wire(hold: &Hold) -> wire::Hold {
    wire::Hold {
        reason: hold.reason.as_str().to_owned(),
        since: Some(timestamp::to_wire(hold.since)),
        until: hold.until.map(timestamp::to_wire),
    }
}

fn hold_from_wire(hold: wire::Hold) -> Result<Hold, DecodeError> {
    Ok(Hold {
        reason: read_word("holds.reason", HoldReason::parse(&hold.reason))?,
        since: timestamp::from_wire("holds.since", hold.since)?,
        until: timestamp::from_wire_optional("holds.until", hold.until)?,
    })
}

fn frozen_from_wire(frozen: wire::Frozen) -> Result<Frozen, DecodeError> {
    Ok(Frozen {
        since: timestamp::from_wire("frozen.since", frozen.since)?,
        remaining: frozen.remaining,
        came: frozen.came,
    })
}

fn seen_to_wire(seen: &Seen) -> wire::SeenEvent {
    wire::SeenEvent {
        wait: seen.wait.as_str().to_owned(),
        at: Some(timestamp::to_wire(seen.at)),
        about: seen.about.map(|touch| touch.0),
    }
}

fn seen_from_wire(seen: wire::SeenEvent) -> Result<Seen, DecodeError> {
    Ok(Seen {
        wait: step_id("seen.wait", seen.wait)?,
        at: timestamp::from_wire("seen.at", seen.at)?,
        about: seen.about.map(TouchId),
    })
}
