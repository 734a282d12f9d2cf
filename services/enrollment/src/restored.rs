//! A database restored from a backup: it has forgotten what was sent since, so sending is held until a person has compared.

use ports::bus::{BusError, Consumers, Topic};
use ports::dispatch::{Flag, FlagState, Flags};
use ports::unit::Offsets;

use crate::consume::GROUP;

/// Who holds sending then, as the flag's record says.
const ACTOR: &str = "enrollment";

/// Compares what is stored with what the group has noted.
pub(crate) struct Guard<'a> {
    pub(crate) consumers: &'a dyn Consumers,
    pub(crate) offsets: &'a dyn Offsets,
    pub(crate) flags: &'a dyn Flags,
    pub(crate) cluster: &'a str,
}

/// A partition at which the store is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) partition: i32,
    /// Where the store goes on.
    pub(crate) stored: i64,
    /// Where it had been.
    pub(crate) noted: i64,
}

/// Holds sending when the store is behind what the group of the events has noted, at any partition: for a dispatcher that
/// starts, perhaps before enrollment has been assigned anything. Says what to tell a person, if so.
///
/// # Errors
/// `Unavailable` while bus or store cannot be asked: nothing may be sent before they were.
pub async fn hold_if_restored(
    consumers: &dyn Consumers,
    offsets: &dyn Offsets,
    flags: &dyn Flags,
    cluster: &str,
) -> Result<Option<String>, BusError> {
    let guard = Guard { consumers, offsets, flags, cluster };
    let partitions: Vec<i32> = consumers.noted(GROUP, Topic::Events).await?.into_keys().collect();
    Ok(reason(&guard.hold_if_behind(&partitions).await?))
}

impl Guard<'_> {
    /// Holds sending when the store is behind what is noted at some of the partitions; says at which.
    ///
    /// A group is told of an offset only after the store has committed it. So what is stored, when read after what is
    /// noted, is never behind it, unless the store is no longer the one that it was.
    pub(crate) async fn hold_if_behind(&self, partitions: &[i32]) -> Result<Vec<Behind>, BusError> {
        let noted = self.consumers.noted(GROUP, Topic::Events).await?;
        let mut behind = Vec::new();
        for partition in partitions.iter().copied() {
            let Some(noted) = noted.get(&partition).copied() else { continue };
            let stored = self.offsets.stored(self.cluster, Topic::Events, partition).await;
            // Without a row the store goes on at the beginning of the log.
            let stored = stored
                .map_err(|error| BusError::Unavailable(error.to_string()))?
                .map_or(0, |stored| stored.next);
            if stored < noted {
                behind.push(Behind { partition, stored, noted });
            }
        }
        if !behind.is_empty() {
            let held = self.flags.set_flag(Flag::All, FlagState::Stopped, ACTOR).await;
            // Nothing is read before sending is held: the assignment is tried again.
            held.map_err(|error| BusError::Unavailable(error.to_string()))?;
        }
        for Behind { partition, stored, noted } in &behind {
            tracing::error!(partition, stored, noted, "the store is behind its group; sending is held");
        }
        Ok(behind)
    }
}

/// What to say to a person of partitions that are behind; `None` when there are none.
pub(crate) fn reason<'a>(behind: impl IntoIterator<Item = &'a Behind>) -> Option<String> {
    let places: Vec<String> = behind
        .into_iter()
        .map(|Behind { partition, stored, noted }| {
            format!("partition {partition} at {stored}, before at {noted}")
        })
        .collect();
    (!places.is_empty()).then(|| {
        format!(
            "sending is held, since the database seems to be restored from a backup and to have forgotten what was sent \
             since: events {}; compare and `drumbeat dispatch release`",
            places.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use ports::bus::{Consumer, Position, Starts, StoredOffset};
    use ports::{StoreError, StoreResult};

    use super::*;

    /// What the group noted, what is stored, and whether flags can be set.
    #[derive(Default)]
    struct World {
        noted: BTreeMap<i32, i64>,
        stored: BTreeMap<i32, i64>,
        read_only: Option<StoreError>,
        set: Mutex<Vec<(Flag, FlagState, String)>>,
    }

    #[async_trait]
    impl Consumers for World {
        async fn join(
            &self,
            _: &str,
            _: &[Topic],
            _: Arc<dyn Starts>,
        ) -> Result<Box<dyn Consumer>, BusError> {
            unreachable!("nobody joins here")
        }

        async fn noted(&self, group: &str, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
            assert_eq!((group, topic), ("enrollment", Topic::Events));
            Ok(self.noted.clone())
        }
    }

    #[async_trait]
    impl Offsets for World {
        async fn stored(&self, cluster: &str, _: Topic, partition: i32) -> StoreResult<Option<StoredOffset>> {
            assert_eq!(cluster, "log");
            Ok(self.stored.get(&partition).map(|next| StoredOffset { next: *next, last_id: None }))
        }

        async fn all(&self) -> StoreResult<Vec<(String, Topic, i32, StoredOffset)>> {
            unreachable!("nobody lists here")
        }

        async fn set(&self, _: &str, _: Position) -> StoreResult<()> {
            unreachable!("an offset is set by a person only")
        }
    }

    #[async_trait]
    impl Flags for World {
        async fn set_flag(&self, flag: Flag, state: FlagState, actor: &str) -> StoreResult<()> {
            if let Some(error) = &self.read_only {
                return Err(error.clone());
            }
            self.set.lock().unwrap().push((flag, state, actor.to_owned()));
            Ok(())
        }

        async fn stopped(&self) -> StoreResult<Vec<Flag>> {
            Ok(Vec::new())
        }
    }

    impl World {
        fn new(noted: &[(i32, i64)], stored: &[(i32, i64)]) -> Self {
            let of = |pairs: &[(i32, i64)]| pairs.iter().copied().collect();
            Self { noted: of(noted), stored: of(stored), ..Self::default() }
        }

        async fn look(&self, partitions: &[i32]) -> Result<Vec<(i32, i64)>, BusError> {
            let guard = Guard { consumers: self, offsets: self, flags: self, cluster: "log" };
            let behind = guard.hold_if_behind(partitions).await?;
            Ok(behind.into_iter().map(|Behind { partition, stored, .. }| (partition, stored)).collect())
        }

        fn set(&self) -> Vec<(Flag, FlagState, String)> {
            self.set.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn a_store_behind_its_group_holds_all_sending() {
        let world = World::new(&[(0, 7), (1, 9), (2, 5)], &[(0, 7), (1, 8), (2, 3)]);

        assert_eq!(world.look(&[0, 1, 2]).await.unwrap(), [(1, 8), (2, 3)]);
        assert_eq!(world.set(), [(Flag::All, FlagState::Stopped, "enrollment".to_owned())]);
    }

    #[test]
    fn a_person_is_told_of_all_partitions_in_one_sentence() {
        let behind =
            [Behind { partition: 1, stored: 8, noted: 9 }, Behind { partition: 2, stored: 3, noted: 5 }];

        let text = reason(&behind).unwrap();

        assert!(text.contains("partition 1 at 8, before at 9; partition 2 at 3, before at 5;"), "{text}");
        assert!(
            text.contains("restored from a backup") && text.contains("drumbeat dispatch release"),
            "{text}"
        );
        assert_eq!(reason(&[]), None);
    }

    #[tokio::test]
    async fn a_store_that_has_lost_its_offset_is_behind() {
        let world = World::new(&[(0, 1)], &[]);

        assert_eq!(world.look(&[0]).await.unwrap(), [(0, 0)]);
        assert_eq!(world.set().len(), 1);
    }

    #[tokio::test]
    async fn a_group_that_lags_behind_the_store_or_was_never_told_holds_nothing() {
        let world = World::new(&[(0, 7), (1, 9), (3, 0)], &[(0, 8), (1, 9), (2, 4)]);

        assert_eq!(world.look(&[0, 1, 2, 3]).await.unwrap(), []);
        assert_eq!(world.set(), []);
    }

    #[tokio::test]
    async fn partitions_of_other_members_are_theirs_to_judge() {
        let world = World::new(&[(0, 7), (1, 9)], &[(0, 7), (1, 2)]);

        assert_eq!(world.look(&[0]).await.unwrap(), []);
        assert_eq!(world.set(), []);
    }

    #[tokio::test]
    async fn a_dispatcher_that_starts_compares_every_partition() {
        let restored = World::new(&[(0, 7), (3, 9)], &[(0, 7), (3, 8)]);
        let sound = World::new(&[(0, 7), (3, 9)], &[(0, 7), (3, 9)]);

        let held = hold_if_restored(&restored, &restored, &restored, "log").await.unwrap();
        let goes = hold_if_restored(&sound, &sound, &sound, "log").await.unwrap();

        assert!(held.is_some_and(|why| why.contains("partition 3 at 8, before at 9")));
        assert_eq!(restored.set().len(), 1);
        assert_eq!((goes, sound.set().len()), (None, 0));
    }

    #[tokio::test]
    async fn nothing_goes_on_while_sending_cannot_be_held() {
        let away = StoreError::Unavailable("restarting".to_owned());
        let world = World { read_only: Some(away), ..World::new(&[(0, 7)], &[(0, 6)]) };

        assert!(matches!(world.look(&[0]).await, Err(BusError::Unavailable(_))));
    }
}
